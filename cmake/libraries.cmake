# SPDX-License-Identifier: GPL-3.0-or-later
# The libraries we stand on. A missing one is named together with the command that installs it.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(onyx_library prefix module)
  pkg_check_modules(${prefix} QUIET IMPORTED_TARGET ${module})
  if(NOT ${prefix}_FOUND)
    message(FATAL_ERROR "The library ${module} is missing. Run ./deploy/install-deps "
      "(it installs what the build needs) and configure again.")
  endif()
endfunction()

# A library that ships no pkg-config file, as target Plain::<name>.
function(onyx_plain_library name header)
  find_path(${name}_HEADER ${header})
  find_library(${name}_FILE ${name})
  if(NOT ${name}_HEADER OR NOT ${name}_FILE)
    message(FATAL_ERROR "The library ${name} is missing. Run ./deploy/install-deps "
      "(it installs what the build needs) and configure again.")
  endif()
  add_library(Plain::${name} INTERFACE IMPORTED)
  set_target_properties(Plain::${name} PROPERTIES INTERFACE_LINK_LIBRARIES ${${name}_FILE})
endfunction()

onyx_library(NANOMSG nanomsg)
onyx_library(PROTOBUF_C libprotobuf-c)
onyx_library(CURL libcurl)
onyx_library(PCRE2 libpcre2-8)
onyx_library(ZLIB zlib)
onyx_library(SQLITE sqlite3)
onyx_library(SODIUM libsodium)
onyx_library(JANSSON jansson)
onyx_library(CRYPTO libcrypto)
onyx_library(XXHASH libxxhash)
onyx_library(ZSTD libzstd)
onyx_library(ISAL libisal)
onyx_library(DEFLATE libdeflate)
onyx_plain_library(unistring unicase.h)

# Some builds of xxhash choose among SSE2, AVX2 and AVX-512 at run time, through a header of their own.
include(CheckSymbolExists)
set(CMAKE_REQUIRED_INCLUDES ${XXHASH_INCLUDE_DIRS})
set(CMAKE_REQUIRED_LIBRARIES PkgConfig::XXHASH)
check_symbol_exists(XXH3_128bits_update_dispatch xxh_x86dispatch.h ONYX_XXHASH_DISPATCH)
unset(CMAKE_REQUIRED_INCLUDES)
unset(CMAKE_REQUIRED_LIBRARIES)
if(ONYX_TESTS)
  onyx_library(CMOCKA cmocka)
  onyx_library(SSL libssl)
endif()
find_program(PROTOC_C protoc-c)
if(NOT PROTOC_C)
  message(FATAL_ERROR "protoc-c is missing. Run ./deploy/install-deps and configure again.")
endif()
