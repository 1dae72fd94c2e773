"""The file under it all: made once by many, shared by threads and processes, and honest when it is locked or full."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from integrations.errors import Permanent, Temporary
from integrations.sample_company import cast
from integrations.sample_company.company import SampleCompany, SampleWriters
from integrations.sample_company.database import Database

CHARGE = cast.ANA.charge_id
ROOT = Path(__file__).resolve().parents[3]


def refund(writers: SampleWriters) -> None:
    writers.refund(CHARGE, 1000, "EUR", "r", key="k", if_version="")


def test_processes_that_start_together_make_one_company(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from integrations.sample_company.company import SampleCompany;"
        "print(SampleCompany(Path(sys.argv[1])).customer('ana.diaz@example.com').data['customer_id'])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "new" / "company.db")]

    starting = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    answers = [process.communicate(timeout=60) for process in starting]

    assert answers == [(b"cu_1001\n", b"")] * 4


def test_those_who_open_a_new_file_at_one_moment_wait_for_each_other(tmp_path: Path) -> None:
    """SQLite waits for nobody there: ten of six hundred were refused within a millisecond."""
    program = (
        "import os, sys, time; from pathlib import Path; from integrations.sample_company.database import Database\n"
        "for number in range(150):\n"
        "    path, at = Path(sys.argv[1]) / f'{number}.db', time.monotonic() + 0.02\n"
        "    children = []\n"
        "    for _ in range(4):\n"
        "        children.append(os.fork())\n"
        "        if children[-1] == 0:\n"
        "            while time.monotonic() < at: pass\n"
        "            try:\n"
        "                with Database(path, patience=60).reading(): os._exit(0)\n"
        "            except BaseException as error: print(error, flush=True)\n"
        "            os._exit(1)\n"
        "    for child in children: os.waitpid(child, 0)\n"
    )

    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, cwd=ROOT, capture_output=True)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_fork_goes_on_with_connections_of_its_own(file: Path) -> None:
    """Prefork workers inherit the parent's objects; a connection used on both sides would spoil the file."""
    program = (
        "import os, sys; from pathlib import Path\n"
        "from integrations.sample_company.company import SampleCompany, SampleWriters\n"
        "company = SampleCompany(Path(sys.argv[1])); writers = SampleWriters(company); company.customer('x')\n"
        "inherited = list(company.database._idle)\n"
        "child = os.fork()\n"
        "for n in range(50):\n"
        "    writers.send('a@example.com', 's', 'b', key=f'{child == 0}{n}')\n"
        "if child == 0: os._exit(any(one in inherited for one in company.database._idle))\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "print(len(company.effects('send')))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, str(file)], check=False, cwd=ROOT, capture_output=True, timeout=60
    )

    assert (done.stdout, done.stderr) == (b"100\n", b"")


def test_a_locked_database_is_temporary_and_nothing_is_done(file: Path, company: SampleCompany, writers) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(Temporary, match="cannot answer now"):
            refund(writers)
        assert company.charge(CHARGE).data["refunded_minor"] == 0, "reading goes on while somebody writes"
    finally:
        other.close()

    refund(writers)
    assert len(company.effects()) == 1


def test_a_full_disk_is_temporary_and_nothing_is_done(company: SampleCompany, writers) -> None:
    with company.database.reading() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    before = company.ticket("120")

    with pytest.raises(Temporary, match="cannot answer now"):
        writers.reply("120", "x" * 60_000, public=True, key="k", if_version="")

    assert company.ticket("120") == before
    assert company.effects() == []


def test_a_file_that_is_no_database_is_permanent(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all, but long enough to have a header" * 20)

    with pytest.raises(Permanent, match="refused"):
        SampleCompany(path)


def test_a_file_of_another_version_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    old = sqlite3.connect(path)
    old.execute("PRAGMA user_version = 99")
    old.close()

    with pytest.raises(Permanent, match="another version") as raised:
        SampleCompany(path)

    # Looked at while the error is held: what it came from has not been collected.
    opened = {str(file.readlink()) for file in Path("/proc/self/fd").iterdir() if file.is_symlink()}
    assert str(path) not in opened, raised
    kept = sqlite3.connect(path)
    assert kept.execute("PRAGMA user_version").fetchone() == (99,)
    kept.close()


def test_a_folder_that_cannot_be_made_is_permanent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(Permanent, match="cannot be made"):
        SampleCompany(tmp_path / "file" / "company.db")


def test_an_error_inside_a_transaction_takes_everything_back(file: Path) -> None:
    database = Database(file)

    def break_off() -> None:
        with database.writing() as connection:
            connection.execute("UPDATE charges SET version = 77")
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    with database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM charges WHERE version = 77").fetchone()[0] == 0
    database.close()
