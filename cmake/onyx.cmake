# SPDX-License-Identifier: GPL-3.0-or-later
# What every target of ours has in common; nothing is set directory-wide.

set(ONYX_WARNINGS -Wall -Wextra -Wconversion -Wshadow -Wvla -Wformat=2 -Wmissing-prototypes
  -Wstrict-prototypes -Wcast-qual -Wwrite-strings -Werror)
set(ONYX_INSTRUMENT "")
if(ONYX_SANITIZE)
  list(APPEND ONYX_INSTRUMENT -fsanitize=address,undefined -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
endif()
if(ONYX_COVERAGE)
  list(APPEND ONYX_INSTRUMENT --coverage)
endif()

# onyx_flags(TARGET): our warnings, features and instrumentation.
function(onyx_flags target)
  # A bug is an assert, and it is kept in release.
  target_compile_options(${target} PRIVATE ${ONYX_WARNINGS} ${ONYX_INSTRUMENT} -UNDEBUG
    -fstack-protector-strong -ffunction-sections)
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE _FILE_OFFSET_BITS=64
    ONYX_VERSION="${PROJECT_VERSION}")
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_options(${target} PRIVATE ${ONYX_INSTRUMENT} -Wl,--gc-sections)
endfunction()

# onyx_layer(NAME SOURCES ... LIBS ...): one static library per layer.
function(onyx_layer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  onyx_flags(${name})
  if(ARG_LIBS)
    target_link_libraries(${name} PUBLIC ${ARG_LIBS})
  endif()
endfunction()

# onyx_program(NAME SOURCES ... LIBS ...): one program in build/bin.
function(onyx_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  onyx_flags(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS})
endfunction()

# onyx_unit_test(NAME SOURCE FILE LIBS ...): one cmocka program, run by ctest with the label unit.
function(onyx_unit_test name)
  cmake_parse_arguments(ARG "" "" "SOURCE;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCE})
  onyx_flags(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} PkgConfig::CMOCKA)
  target_compile_definitions(${name} PRIVATE TEST_SOURCE_ROOT="${PROJECT_SOURCE_DIR}")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 120)
endfunction()
