# SPDX-License-Identifier: GPL-3.0-or-later
"""The report by mail, against a real SMTP server with STARTTLS and AUTH; the log files beside it.

Most cases need no pool: a run that cannot begin is mailed as well, and its exit status (3) must
stay what it is whatever becomes of the mail.
"""
import asyncio
import email
import email.policy
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from lab import BIN, Lab, pool, vm, wait_for

SECRET = "s3cret-pässword%s"


class Server:
    """One SMTP server on a port that the kernel chose; what it was given is in .mails."""

    def __init__(self, cert=None, password=None, answers=(), refuse=(), **more):
        self.mails, self.logins, self.tls = [], [], []
        self.answers, self.refuse = list(answers), refuse
        if cert:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(cert / "cert.pem", cert / "key.pem")
            more.update(tls_context=context, require_starttls=True)
        if password is not None:
            self.password = password
            more.update(auth_required=True, authenticator=self.check,
                        auth_require_tls=cert is not None)
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()

        def serve():
            asyncio.set_event_loop(self.loop)
            self.server = self.loop.run_until_complete(self.loop.create_server(
                lambda: SMTP(self, hostname="mx.test", loop=self.loop, **more), "127.0.0.1", 0))
            self.port = self.server.sockets[0].getsockname()[1]
            ready.set()
            self.loop.run_forever()

        self.thread = threading.Thread(target=serve, daemon=True)
        self.thread.start()
        assert ready.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        def stop():
            self.server.close()
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.call_soon(self.loop.stop)

        self.loop.call_soon_threadsafe(stop)
        self.thread.join(10)

    def check(self, server, session, envelope, mechanism, data):
        self.logins.append((mechanism, data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password.decode() == self.password, handled=False)

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.refuse:
            return "550 5.1.1 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.answers:
            answer = self.answers.pop(0)
            if answer:
                return answer
        self.tls.append(session.ssl is not None)
        self.mails.append(envelope)
        return "250 OK"


def parse(envelope):
    """The mail as Python's own parser reads it; every rule of the bytes is looked at first."""
    lines = envelope.original_content.split(b"\r\n")
    assert all(len(line) <= 78 for line in lines)
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    envelope.original_content.decode("ascii")
    mail = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
    assert not mail.defects
    assert mail.get_content_type() == "multipart/alternative"
    text, html = mail.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert not text.defects and not html.defects
    assert re.fullmatch(r"<[0-9a-f]{16}@[a-z.-]+>", mail["Message-ID"])
    assert mail["Date"].datetime is not None
    return mail, *(part.get_content().replace("\r\n", "\n") for part in (text, html))


def settings(folder, port, **keys):
    """A settings file with [smtp] for that port."""
    keys = dict({"smtp_enabled": True, "smtp_server": "127.0.0.1", "smtp_port": port,
                 "smtp_to": "ops@example.com", "smtp_timeout": 5}, **keys)
    cert = keys.pop("smtp_cert", None)
    text = "[smtp]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
    if cert:
        text += f"[onyxpool]\nsmtp_cert = {cert}\n"
    path = folder / "mail.cfg"
    path.write_text(text, encoding="utf-8")
    return path


def run_nowhere(folder, *args, **env):
    """A run that can't begin: its pool is not there."""
    if not (folder / "pool.key").exists():
        subprocess.run([str(BIN / "onyxpool"), "keygen", "--key", folder / "pool.key"],
                       check=True, capture_output=True)
    return subprocess.run(
        [str(BIN / "onyxpool"), "run", "--xapi", str(folder / "no-xapi"), "--install-dir",
         str(folder), "--catalog", str(folder / "catalog.db"), "-d", str(folder / "store"),
         "--key", str(folder / "pool.key"), *map(str, args)],
        capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
        env=dict(os.environ, HOME=str(folder), LC_ALL="C.UTF-8", **env))


def mail_nowhere(folder, port, **keys):
    done = run_nowhere(folder, "-c", settings(folder, port, **keys))
    assert done.returncode == 3, done.stderr
    assert "Sanitizer" not in done.stderr
    return done


def everything_said(folder, done):
    logs = "".join(path.read_text() for path in (folder / "logs").iterdir())
    return done.stdout + done.stderr + logs


@pytest.fixture(scope="module")
def cert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cert")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem",
                    "-subj", "/CN=mx.test", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    return folder


# -- a run that cannot begin --------------------------------------------------------------------

def test_mail_when_the_run_could_not_begin(tmp_path):
    with Server() as server:
        done = mail_nowhere(tmp_path, server.port)
    mail, text, html = parse(server.mails[0])
    assert server.mails[0].mail_from == "xenserver@localhost"
    assert server.mails[0].rcpt_tos == ["ops@example.com"]
    assert mail["From"] == "xenserver@localhost" and mail["To"] == "ops@example.com"
    assert mail["Subject"] == "OnyxBackupVM Backup Report: COULD NOT BEGIN: nothing backed up"
    assert mail["Auto-Submitted"] == "auto-generated"
    for part in (text, html):
        assert "no-xapi" in part and "could not begin" in part
    assert "the report was mailed to ops@example.com" in done.stderr


def test_mail_when_a_settings_file_is_bad(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "onyxbackup.cfg").write_text("[xenserver]\nmax_backups = 0\n")
    with Server() as server:
        done = run_nowhere(tmp_path, "-c", settings(tmp_path, server.port))
        preview = run_nowhere(tmp_path, "--preview", "-c", settings(tmp_path, server.port))
    assert (done.returncode, preview.returncode) == (2, 2)
    assert len(server.mails) == 1
    mail, text, _ = parse(server.mails[0])
    assert "COULD NOT BEGIN" in mail["Subject"]
    assert "onyxbackup.cfg line 2: max_backups" in " ".join(text.split())
    assert "max_backups" in (tmp_path / "logs" / "onyxbackup.log").read_text()


def test_no_mail_when_an_option_is_mistyped(tmp_path):
    with Server() as server:
        done = run_nowhere(tmp_path, "-c", settings(tmp_path, server.port), "-F", "qcow2")
    assert done.returncode == 2 and not server.mails


def test_mail_when_subject_and_names_are_not_ascii(tmp_path):
    subject = "Sicherung Köln – 夜間バックアップ " + "sehr lang " * 12
    with Server() as server:
        mail_nowhere(tmp_path, server.port, smtp_subject=subject,
                     smtp_from="Käthe <k@example.com>",
                     smtp_to="Jürgen Müller <j@example.com>, ops@example.com, ops@example.com")
    mail, _, _ = parse(server.mails[0])
    assert mail["Subject"].startswith(subject.strip() + ": COULD NOT BEGIN")
    assert mail["From"].addresses[0].display_name == "Käthe"
    assert mail["To"].addresses[0].display_name == "Jürgen Müller"
    assert server.mails[0].rcpt_tos == ["j@example.com", "ops@example.com"]


def test_mail_when_starttls_and_auth_are_wanted_and_the_certificate_is_named(tmp_path, cert):
    with Server(cert=cert, password=SECRET) as server:
        done = mail_nowhere(tmp_path, server.port, smtp_starttls=True, smtp_auth="yes",
                            smtp_user="backup", smtp_pass=SECRET, smtp_cert=cert / "cert.pem")
    assert len(server.mails) == 1 and server.tls == [True]
    assert server.logins[-1][1:] == ("backup", SECRET)
    assert "vouches" not in done.stderr
    assert SECRET not in everything_said(tmp_path, done)


def test_mail_when_nobody_knows_the_certificate_then_sent_with_a_warning(tmp_path, cert):
    with Server(cert=cert) as server:
        done = mail_nowhere(tmp_path, server.port, smtp_starttls=True)
    assert server.tls == [True]
    assert "nobody here vouches for the certificate" in done.stderr
    assert "smtp_cert" in done.stderr


def test_mail_when_another_certificate_is_insisted_on_then_not_sent(tmp_path, cert):
    other = tmp_path / "other"
    other.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-keyout", other / "key.pem", "-out", other / "cert.pem",
                    "-subj", "/CN=other"], check=True, capture_output=True)
    with Server(cert=cert, password=SECRET) as server:
        done = mail_nowhere(tmp_path, server.port, smtp_starttls=True, smtp_auth=True,
                            smtp_user="u", smtp_pass=SECRET, smtp_cert=other / "cert.pem")
    assert not server.mails and not server.logins
    assert "smtp_cert does not vouch for" in done.stderr


def test_mail_when_smtp_cert_is_not_there(tmp_path, cert):
    with Server(cert=cert) as server:
        done = mail_nowhere(tmp_path, server.port, smtp_starttls=True, smtp_cert="/no/such.pem")
    assert not server.mails
    assert "smtp_cert /no/such.pem can't be read" in done.stderr


def test_mail_when_the_password_is_wrong(tmp_path, cert):
    with Server(cert=cert, password="right") as server:
        done = mail_nowhere(tmp_path, server.port, smtp_starttls=True, smtp_auth=True,
                            smtp_user="u", smtp_pass=SECRET)
    assert not server.mails
    assert "refuses smtp_user and smtp_pass: 535" in done.stderr
    assert SECRET not in everything_said(tmp_path, done)


def test_mail_when_starttls_is_wanted_and_not_offered(tmp_path):
    with Server() as server:
        done = mail_nowhere(tmp_path, server.port, smtp_starttls=True)
    assert not server.mails
    assert "offers no STARTTLS" in done.stderr


def test_mail_when_the_server_is_busy_at_first_then_tried_again(tmp_path):
    with Server(answers=["451 4.3.0 come back later"]) as server:
        mail_nowhere(tmp_path, server.port)
    assert len(server.mails) == 1


def test_mail_when_it_is_refused_for_good_then_not_tried_again(tmp_path):
    with Server(answers=["554 5.7.1 no reports here", None]) as server:
        done = mail_nowhere(tmp_path, server.port)
    assert not server.mails and len(server.answers) == 1
    assert "554 5.7.1 no reports here" in done.stderr


def test_mail_when_one_recipient_is_refused_then_the_others_get_it(tmp_path):
    with Server(refuse=("gone@example.com",)) as server:
        done = mail_nowhere(tmp_path, server.port, smtp_to="gone@example.com,ops@example.com")
    assert server.mails[0].rcpt_tos == ["ops@example.com"]
    assert "refuses the recipient gone@example.com: 550 5.1.1 nobody" in done.stderr


def test_mail_when_every_recipient_is_refused(tmp_path):
    with Server(refuse=("gone@example.com",)) as server:
        done = mail_nowhere(tmp_path, server.port, smtp_to="gone@example.com")
    assert not server.mails
    assert "550 5.1.1 nobody of that name" in done.stderr


def test_mail_when_nobody_listens(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        done = mail_nowhere(tmp_path, probe.getsockname()[1])
    assert "the report was not mailed: tried 3 times" in done.stderr


def test_mail_when_the_server_is_silent_then_smtp_timeout_ends_it(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        done = mail_nowhere(tmp_path, silent.getsockname()[1], smtp_timeout=1)
    assert "no answer within smtp_timeout" in done.stderr


@pytest.mark.parametrize("keys, word", [
    ({"smtp_to": ""}, "smtp_to names nobody"),
    ({"smtp_to": "ops at example.com"}, "is no mail address"),
    ({"smtp_from": "a@b@c"}, "smtp_from"),
    ({"smtp_server": "mail server"}, "smtp_server"),
    ({"smtp_hostname": "a/b c"}, "smtp_hostname")])
def test_mail_when_a_key_makes_no_sense_then_a_warning(tmp_path, keys, word):
    with Server() as server:
        done = mail_nowhere(tmp_path, server.port, **keys)
    assert not server.mails
    assert "the report was not mailed" in done.stderr and word in done.stderr


def test_no_mail_when_it_is_not_enabled(tmp_path):
    with Server() as server:
        done = mail_nowhere(tmp_path, server.port, smtp_enabled=False)
    assert not server.mails
    assert "mailed" not in done.stderr


def test_no_mail_at_a_preview(tmp_path):
    with Server() as server:
        done = run_nowhere(tmp_path, "--preview", "-c", settings(tmp_path, server.port))
    assert done.returncode == 3 and not server.mails
    assert not (tmp_path / "logs").exists()


# -- log files -----------------------------------------------------------------------------------

def test_logs_when_nothing_is_set(tmp_path):
    done = run_nowhere(tmp_path)
    assert done.returncode == 3
    logs = tmp_path / "logs"
    assert {path.name for path in logs.iterdir()} == {"backup.rpt", "onyxbackup.log", "debug.log"}
    assert "no-xapi" in (logs / "backup.rpt").read_text()
    line = (logs / "onyxbackup.log").read_text().splitlines()[-1]
    assert re.fullmatch(r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d [AP]M - ERROR: .*no-xapi.* \[ run \]", line)
    assert "ERROR" in (logs / "debug.log").read_text()


def test_logs_when_there_are_two_runs_then_the_report_is_new_and_logs_grow(tmp_path):
    run_nowhere(tmp_path)
    logs = tmp_path / "logs"
    once = (logs / "onyxbackup.log").read_text()
    (logs / "backup.rpt").write_text("old")
    run_nowhere(tmp_path)
    assert "old" not in (logs / "backup.rpt").read_text()
    assert len((logs / "onyxbackup.log").read_text()) == 2 * len(once)


def test_logs_when_the_folder_cannot_be_written_then_one_warning(tmp_path):
    (tmp_path / "logs").write_text("a file")
    done = run_nowhere(tmp_path)
    assert done.returncode == 3
    assert len([line for line in done.stderr.splitlines() if "log" in line and "warn" in line]) == 1
    assert "the run goes on without it" in done.stderr


def test_logs_when_the_level_is_error_then_console_and_report_have_errors_alone(tmp_path):
    done = run_nowhere(tmp_path, "-l", "error")
    assert " info " not in done.stderr
    assert " info " not in (tmp_path / "logs" / "backup.rpt").read_text()


def test_logs_when_logging_json_is_there_then_its_files_and_levels_hold(tmp_path):
    (tmp_path / "etc").mkdir()
    config = {"version": 1, "formatters": {"f": {"format": "%(levelname)-8s|%(message)s"}},
              "handlers": {
                  "mine": {"class": "logging.FileHandler", "filename": str(tmp_path / "my.log"),
                           "formatter": "f", "level": "ERROR"},
                  "syslog": {"class": "logging.handlers.SysLogHandler"}},
              "loggers": {"onyxbackup": {"level": "INFO", "handlers": ["mine", "syslog"],
                                         "propagate": 0}}}
    (tmp_path / "etc" / "logging.json").write_text(json.dumps(config))
    done = run_nowhere(tmp_path, "-l", "info")
    assert "logging.handlers.SysLogHandler is not known here" in done.stderr
    lines = (tmp_path / "my.log").read_text().splitlines()
    assert lines and all(line.startswith("ERROR   |") for line in lines)
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {"backup.rpt"}


def test_logs_when_log_cfg_names_a_bad_file_then_a_warning_and_the_default(tmp_path):
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    done = run_nowhere(tmp_path, LOG_CFG=str(bad))
    assert "LOG_CFG" in done.stderr and "the usual logging holds" in done.stderr
    assert (tmp_path / "logs" / "debug.log").exists()


# -- real runs -----------------------------------------------------------------------------------

def install(lab, server):
    """The mail's settings where an installation has them; -c is the lab's own."""
    (lab.folder / "etc").mkdir()
    settings(lab.folder, server.port).rename(lab.folder / "etc" / "onyxbackup.cfg")


def test_mail_of_a_good_run_and_of_one_with_a_failed_vm():
    with Server() as server, Lab(pool([vm("web1"), vm("DB ä & co", sr="local-h2", host="h2")],
                                      hosts=2)) as lab:
        install(lab, server)
        done = lab.run()
        assert done.returncode == 0, done.stderr
        mail, text, html = parse(server.mails[0])
        assert mail["Subject"] == \
            "OnyxBackupVM Backup Report: done, pool lab: all 2 backed up"
        assert text.rstrip() == done.stdout.rstrip()
        assert "DB ä & co" in text and "DB ä &amp; co" in html
        report = (lab.folder / "logs" / "backup.rpt").read_text()
        assert report.startswith(done.stdout.rstrip()) and "\nLog\n" in report
        assert "web1: done on" in (lab.folder / "logs" / "debug.log").read_text()

        lab.fault(method="VM.snapshot", object="web1", count=0,
                  error=["SR_BACKEND_FAILURE_46", "", "The VDI is not available", ""])
        done = lab.run("--new", "-l", "warning", "--attempts", "1")
        assert done.returncode == 1, done.stderr
        mail, text, html = parse(server.mails[1])
        assert "FAILED, pool lab: 1 of 2 backed up, 1 failed" in mail["Subject"]
        for part in (text, html):
            assert part.index("SR_BACKEND_FAILURE_46") < part.index("backup_")
        assert "web1" in (lab.folder / "logs" / "onyxbackup.log").read_text()
        lab.assert_clean()


def test_mail_when_the_run_is_interrupted():
    with Server() as server, Lab(pool([vm("web1", size_mib=64)], hosts=1)) as lab:
        fault = lab.fault(action="stall", stream="export", object="web1", at_byte=1 << 20, count=0)
        install(lab, server)
        run = lab.start_run()
        lab.wait_held(fault)
        run.send_signal(signal.SIGTERM)
        assert run.wait(120) == 6
        wait_for("the mail", lambda: server.mails)
        mail, text, html = parse(server.mails[0])
        assert "INTERRUPTED, pool lab: 0 of 1 backed up" in mail["Subject"]
        assert "web1" in text and "web1" in html
