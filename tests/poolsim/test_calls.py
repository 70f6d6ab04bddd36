# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls: argument rules, error shapes, generic methods, sessions, tasks, events."""
import json
import threading
import time
import xmlrpc.client

import pytest

from call_client import GONE, NULL, Caller, XapiError, running


@pytest.fixture(scope="module")
def lab():
    with running() as pair:
        yield pair


def test_unknown_names_wrong_counts_and_wrong_types_get_xapis_errors(lab):
    _, call = lab
    vm = call.find("web")
    assert call.fails("VM.nope") == ["MESSAGE_METHOD_UNKNOWN", "VM.nope"]
    assert call.fails("VM.get_record") == ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.get_record", "1", "0"]
    assert call.fails("VM.get_record", vm, "x")[1:] == ["VM.get_record", "1", "2"]
    assert call.fails("VM.get_record", 42) == ["INTERNAL_ERROR", "Failure(\"Expected string, got 'I(42)'\")"]
    assert call.fails("VM.get_record", GONE) == ["HANDLE_INVALID", "VM", GONE]
    assert call.fails("VM.get_by_uuid", "x") == ["UUID_INVALID", "VM", "x"]
    assert call.fails("VM.set_power_state", vm, "Halted")[0] == "MESSAGE_METHOD_UNKNOWN"
    assert call.fails("VM.add_to_blocked_operations", vm, "nope", "x") == [
        "INTERNAL_ERROR", "Failure(\"Unknown tag/contents\")"]


def test_underscore_names_and_async_reach_the_same_methods(lab):
    _, call = lab
    assert call("VM_get_all") == call("VM.get_all")
    assert call.fails("Async.VM.get_record", NULL)[0] == "Fault"
    assert call.fails("Async.VDI.get_nbd_info", NULL)[0] == "Fault"
    assert call.wait(call("InternalAsync.VM.destroy", GONE))[0] == "failure"
    status, _, error = call.wait(call("Async.VM.snapshot", GONE, "x"))
    assert (status, error) == ("failure", ["HANDLE_INVALID", "VM", GONE])


def test_error_shapes_differ_by_version_of_the_request_and_by_place(lab):
    pool, call = lab
    body = {"method": "VM.get_record", "params": [call.session, GONE], "id": "a"}
    one = json.loads(pool.post("h1", "/jsonrpc", json.dumps(body)))
    assert one == {"result": None, "error": ["HANDLE_INVALID", "VM", GONE], "id": "a"}
    body["jsonrpc"] = "2.0"
    two = json.loads(pool.post("h1", "/jsonrpc", json.dumps(body)))
    assert two["error"] == {"code": 1, "message": "HANDLE_INVALID", "data": ["VM", GONE]}
    forwarded = json.loads(pool.post("h2", "/jsonrpc", json.dumps(body)))
    assert forwarded["error"] == ["HANDLE_INVALID", "VM", GONE]
    pool.control("host.emergency", host="h2")
    early = json.loads(pool.post("h2", "/jsonrpc", json.dumps(body)))
    assert early == {"jsonrpc": "2.0", "error": ["HOST_STILL_BOOTING"], "id": 0}
    pool.control("host.emergency", host="h2", on=False)


def test_slave_refuses_over_tcp_and_forwards_over_its_socket(lab):
    pool, call = lab
    with pytest.raises(XapiError) as refused:
        pool.login("h2", socket_path=False)
    assert (refused.value.code, refused.value.params) == ("HOST_IS_SLAVE", [pool.hosts["h1"]["address"]])
    with pytest.raises(XapiError) as refused:
        pool.rpc("h2", "VM.get_all", call.session, socket_path=False)
    assert refused.value.code == "HOST_IS_SLAVE"
    other = Caller(pool, "h2")
    assert other("VM.get_all") == call("VM.get_all")
    # The session of the slave's socket is the pool's.
    assert pool.rpc("h1", "session.get_originator", other.session, other.session, socket_path=False) == "test"


def test_login_needs_a_password_over_tcp_alone(lab):
    pool, _ = lab
    for user, text in (("root", "Authentication failure"),
                       ("nobody", "User not known to the underlying authentication module")):
        with pytest.raises(XapiError) as refused:
            pool.rpc("h1", "session.login_with_password", user, "wrong", socket_path=False)
        assert (refused.value.code, refused.value.params) == ("SESSION_AUTHENTICATION_FAILED", [user, text])
    session = pool.rpc("h1", "session.login_with_password", "", "")
    pool.rpc("h1", "session.logout", session)
    with pytest.raises(XapiError) as gone:
        pool.rpc("h1", "session.logout", session)
    assert (gone.value.code, gone.value.params) == ("SESSION_INVALID", [session])


def test_what_may_be_done_with_a_device_follows_its_vm(lab):
    _, call = lab
    web, idle, network = call.find("web"), call.find("idle"), call("VIF.get_network", call(
        "VM.get_VIFs", call.find("web"))[0])
    vif = {"device": "1", "network": network, "MAC": "", "MTU": 1500, "other_config": {}, "qos_algorithm_type": "",
           "qos_algorithm_params": {}}
    assert sorted(call("VIF.get_allowed_operations", call("VM.get_VIFs", web)[0])) == ["attach", "unplug"]
    assert sorted(call("VIF.get_allowed_operations", call("VIF.create", dict(vif, VM=web)))) == ["attach", "plug"]
    assert call("VIF.get_allowed_operations", call("VIF.create", dict(vif, VM=idle))) == ["attach"]
    vdi = call.disks(idle)["0"]
    call("VBD.destroy", call("VDI.get_VBDs", vdi)[0])
    vbd = call("VBD.create", {"VM": web, "VDI": vdi, "userdevice": "7", "bootable": False, "mode": "RW", "type": "Disk",
                              "unpluggable": True, "empty": False, "other_config": {}, "qos_algorithm_type": "",
                              "qos_algorithm_params": {}})
    assert sorted(call("VBD.get_allowed_operations", vbd)) == ["attach", "pause", "plug", "unpause"]


def test_maps_and_sets_change_as_the_database_does(lab):
    _, call = lab
    vm = call.find("idle")
    call("VM.add_to_other_config", vm, "k", "a\x01b")
    assert call("VM.get_other_config", vm)["k"] == "a"
    assert call.fails("VM.add_to_other_config", vm, "k", "v") == ["MAP_DUPLICATE_KEY", "VM", "other_config", vm, "k"]
    assert call.fails("VM.add_to_other_config", vm, "", "v") == ["INTERNAL_ERROR", "Db_exn.Empty_key_in_map"]
    call("VM.remove_from_other_config", vm, "k")
    call("VM.remove_from_other_config", vm, "k")
    call("VM.set_tags", vm, ["b", "a", "b"])
    assert call("VM.get_tags", vm) == ["b", "a"]
    call("VM.add_tags", vm, "a")
    call("VM.remove_tags", vm, "b")
    assert call("VM.get_tags", vm) == ["a"]


def test_adding_one_key_from_many_sides_succeeds_once(lab):
    pool, call = lab
    ref = call("pool.get_all")[0]
    outcomes = []

    def add(n):
        try:
            pool.rpc("h1", "pool.add_to_other_config", call.session, ref, "lock", str(n))
            outcomes.append(n)
        except XapiError as error:
            assert error.code == "MAP_DUPLICATE_KEY"
    threads = [threading.Thread(target=add, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [call("pool.get_other_config", ref)["lock"]] == [str(n) for n in outcomes]


def test_where_selects_by_the_databases_texts(lab):
    _, call = lab
    web = call.find("web")

    def where(text):
        return sorted(call("VM.get_all_records_where", text))
    assert where('field "name__label" = "web"') == [web]
    assert web in where('not (field "power_state" = "Halted")')
    assert where('(field "is_control_domain" = "true") and (field "name__label" = "web")') == []
    assert where("false") == [] and where("true") == sorted(call("VM.get_all"))
    assert call.fails("VM.get_all_records_where", "(((")[0] == "INVALID_VALUE"
    assert call.fails("VM.get_all_records_where", 'field "nope" = "x"') == [
        "INTERNAL_ERROR", "missing field", "nope", ""]


def test_records_of_a_class_have_one_field_set(lab):
    _, call = lab
    for cls in ("pool", "host", "VM", "VBD", "VDI", "SR", "PBD", "VIF", "network", "PIF", "SM", "VM_metrics"):
        records = call(cls + ".get_all_records").values()
        assert len({tuple(record) for record in records}) == 1, cls


def test_own_task_goes_the_way_the_server_lets_it(lab):
    _, call = lab
    task = call("task.create", "mine", "text")
    call("task.set_progress", task, 0.5)
    call("task.cancel", task)
    record = call("task.get_record", task)
    assert record["status"] == "pending" and list(record["current_operations"].values()) == ["cancel"]
    call("task.destroy", task)
    assert call("task.get_status", task) == "pending"  # only noted: it is not finished
    done = call("task.create", "done", "")
    call("task.set_status", done, "success")
    call("task.destroy", done)
    assert call.fails("task.get_record", done) == ["HANDLE_INVALID", "task", done]


def test_finished_tasks_vanish_above_two_hundred_and_after_an_hour():
    with running() as (pool, call):
        kept = call("task.create", "pending", "")
        first = call("task.create", "first", "")
        call("task.set_status", first, "success")
        for _ in range(200):
            call("task.set_status", call("task.create", "t", ""), "success")
        pool.control("gc.run")
        assert len(call("task.get_all")) == 200
        assert call.fails("task.get_record", first)[0] == "HANDLE_INVALID"
        pool.control("host.clock", host="h1", offset_s=66 * 60)
        pool.control("gc.run")
        assert call("task.get_all") == [kept]


def test_sessions_end_by_idling_and_by_the_originators_limit():
    with running() as (pool, call):
        idle = pool.login(originator="idle")
        pool.control("host.clock", host="h1", offset_s=25 * 3600)
        pool.control("gc.run")
        with pytest.raises(XapiError) as gone:
            pool.rpc("h1", "VM.get_all", idle)
        assert gone.value.code == "SESSION_INVALID"
        fresh = Caller(pool, originator="keep")
        first = pool.login(originator="many")
        pool.control("host.clock", host="h1", offset_s=26 * 3600)
        for _ in range(500):
            pool.login(originator="many")
        with pytest.raises(XapiError):
            pool.rpc("h1", "VM.get_all", first)
        assert fresh("VM.get_all")
        assert call.pool is pool


def test_sessions_without_an_originator_and_of_other_users_have_limits_of_their_own():
    with running() as (pool, call):
        def log_in(user, originator):
            return pool.rpc("h1", "session.login_with_password", user, "x", "1.0", originator)

        def is_there(session):
            try:
                return pool.rpc("h1", "session.get_uuid", session, session) != ""
            except XapiError:
                return False
        anonymous, other = log_in("root", ""), log_in("operator", "a")
        pool.control("host.clock", host="h1", offset_s=100)
        for n in range(400):
            assert is_there(anonymous), n
            log_in("", "")
        assert not is_there(anonymous)
        for n in range(500):
            assert is_there(other), n
            log_in("operator", "o%d" % n)
        assert not is_there(other)
        assert call("VM.get_all")


def test_session_with_a_running_task_neither_goes_nor_counts():
    with running() as (pool, _):
        busy = Caller(pool, originator="many")
        busy("task.create", "t", "")
        pool.control("host.clock", host="h1", offset_s=100)
        sessions = [pool.login(originator="many") for _ in range(501)]
        assert busy("VM.get_all")
        with pytest.raises(XapiError):
            pool.rpc("h1", "VM.get_all", sessions[0])
        pool.rpc("h1", "VM.get_all", sessions[1])


def test_watcher_of_the_pool_hears_its_heartbeat():
    with running(heartbeat_ms=150) as (_, call):
        ref = call("pool.get_all")[0]
        answer = call("event.from", ["pool"], "", 1.0)
        begun = time.monotonic()
        for _ in range(3):
            answer = call("event.from", ["pool"], answer["token"], 30.0)
            assert [(e["operation"], e["ref"]) for e in answer["events"]] == [("mod", ref)]
        assert 0.2 < time.monotonic() - begun < 20
        # Who watches something else is not woken to nothing.
        assert call("event.from", ["vm"], answer["token"], 0.4)["events"] == []


def test_events_since_a_token_are_coalesced_and_counted(lab):
    _, call = lab
    vm = call.find("idle")
    token = call("event.from", ["VM"], "", 1.0)["token"]
    call("VM.set_name_description", vm, "one")
    call("VM.set_name_description", vm, "two")
    answer = call("event.from", ["vm"], token, 5.0)
    assert [(e["class"], e["operation"], e["ref"]) for e in answer["events"]] == [("vm", "mod", vm)]
    assert answer["events"][0]["snapshot"]["name_description"] == "two"
    assert answer["valid_ref_counts"]["vm"] == len(call("VM.get_all"))
    assert answer["valid_ref_counts"]["task"] == len(call("task.get_all"))
    task = call("task.create", "t", "")
    token = call("event.from", ["task"], answer["token"], 5.0)["token"]
    call("task.set_status", task, "success")
    call("task.destroy", task)
    events = call("event.from", ["task/" + task], token, 5.0)["events"]
    assert [e["operation"] for e in events] == ["del"] and "snapshot" not in events[0]


def test_what_came_and_went_behind_a_token_is_not_told(lab):
    _, call = lab
    token = call("event.from", ["task"], "", 5.0)["token"]
    kept = call("task.create", "known", "")
    call("task.set_status", call("task.create", "unknown", ""), "success")
    gone = call("task.create", "unknown", "")
    call("task.set_status", gone, "success")
    call("task.destroy", gone)
    told = call("event.from", ["task"], token, 5.0)
    assert gone not in {event["ref"] for event in told["events"]}
    call("task.set_status", kept, "success")
    call("task.destroy", kept)
    assert [(e["operation"], e["ref"]) for e in call("event.from", ["task"], told["token"], 5.0)["events"]] == [
        ("del", kept)]
    # Nor is it told to one who begins.
    assert {event["operation"] for event in call("event.from", ["*"], "", 5.0)["events"]} == {"add"}


def test_event_from_waits_for_its_time_out_or_for_a_change(lab):
    pool, call = lab
    ref = call("pool.get_all")[0]
    token = call("event.from", ["pool"], "", 1.0)["token"]
    begun = time.monotonic()
    answer = call("event.from", ["pool"], token, 0.3)
    assert answer["events"] == [] and 0.25 < time.monotonic() - begun < 5
    timer = threading.Timer(0.2, lambda: pool.rpc("h1", "pool.add_tags", call.session, ref, "x"))
    timer.start()
    answer = call("event.from", ["pool"], answer["token"], 30.0)
    timer.join()
    assert [e["class"] for e in answer["events"]] == ["pool"]


def test_inject_gives_a_token_before_the_object(lab):
    _, call = lab
    ref = call("pool.get_all")[0]
    token = call("event.inject", "pool", ref)
    assert [e["ref"] for e in call("event.from", ["pool"], token, 5.0)["events"]] == [ref]
    assert call.fails("event.inject", "Pool", ref) == ["HANDLE_INVALID", "Pool", ref]
    assert call.fails("event.from", ["vm"], "garbage", 1.0) == ["EVENT_FROM_TOKEN_PARSE_FAILURE", "garbage"]


def test_session_killed_while_it_waits_for_events_is_told_at_once(lab):
    pool, _ = lab
    waiting = Caller(pool)
    token = waiting("event.from", ["pool"], "", 1.0)["token"]
    timer = threading.Timer(0.2, lambda: pool.rpc("h1", "session.logout", waiting.session))
    timer.start()
    begun = time.monotonic()
    assert waiting.fails("event.from", ["pool"], token, 30.0) == ["SESSION_INVALID", waiting.session]
    assert time.monotonic() - begun < 10
    timer.join()


def test_stock_xmlrpc_client_reads_records_over_tcp(lab):
    pool, call = lab
    server = xmlrpc.client.ServerProxy(pool.hosts["h1"]["url"])
    session = server.session.login_with_password(pool.ports["user"], pool.ports["password"])
    assert session["Status"] == "Success"
    vm = call.find("web")
    record = server.VM.get_record(session["Value"], vm)["Value"]
    own = call("VM.get_record", vm)
    assert list(record) == list(own)
    assert record["memory_static_max"] == str(own["memory_static_max"])  # integers are untyped
    assert record["is_a_template"] is False and record["snapshot_time"] == own["snapshot_time"]
    failed = server.VM.get_record(session["Value"], GONE)
    assert failed == {"Status": "Failure", "ErrorDescription": ["HANDLE_INVALID", "VM", GONE]}
    assert "VM.snapshot" in server.system.listMethods()


def test_profiles_have_the_fields_and_calls_of_their_release():
    with running(profile="ch82") as (_, call):
        vm = call.find("web")
        assert "pending_guidances" not in call("VM.get_record", vm)
        assert call.fails("VM.snapshot", vm, "x", []) == ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.snapshot", "2", "3"]
        assert call.fails("VM.snapshot_with_quiesce", vm, "x") == ["MESSAGE_REMOVED"]
        assert call.fails("task.set_result", NULL, "")[0] == "MESSAGE_METHOD_UNKNOWN"
    with running(profile="xs71") as (pool, call):
        body = {"jsonrpc": "2.0", "method": "VM.get_record", "params": [call.session, GONE], "id": 1}
        assert json.loads(pool.post("h1", "/jsonrpc", json.dumps(body)))["error"] == ["HANDLE_INVALID", "VM", GONE]
        assert call("VM.snapshot_with_quiesce", call.find("web"), "q").startswith("OpaqueRef:")
        assert call.fails("VDI.enable_cbt", NULL)[0] == "MESSAGE_METHOD_UNKNOWN"
    with running(profile="head") as (_, call):
        assert "trunks" in next(iter(call("VIF.get_all_records").values()))
