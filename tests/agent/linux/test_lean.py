"""Imports without what the agent never uses: in processes of their own, since imports happen once."""

import subprocess
import sys


def run(code: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-W", "error::Warning", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


LEAN = "import sys, gc\nfrom pairlet.linux.lean import lean_imports\n"


def test_requests_comes_without_its_detectors_and_without_its_warning() -> None:
    said = run(
        LEAN + "with lean_imports(): import requests\n"
        "print('charset_normalizer' in sys.modules, requests.compat.chardet, gc.isenabled())"
    )
    assert said == "False None True"


def test_an_answer_without_a_charset_is_still_a_text() -> None:
    said = run(
        LEAN + "with lean_imports(): import requests\n"
        "answer = requests.Response(); answer._content = 'é'.encode(); answer.status_code = 200\n"
        "print(ascii(answer.text), answer.apparent_encoding)"
    )
    assert said == "'\\xe9' utf-8"


def test_the_detectors_can_be_imported_afterwards() -> None:
    said = run(
        LEAN + "with lean_imports(): import requests\n"
        "import charset_normalizer\nprint(charset_normalizer.__name__)"
    )
    assert said == "charset_normalizer"


def test_a_detector_that_somebody_uses_already_stays() -> None:
    said = run(
        "import charset_normalizer\n" + LEAN + "with lean_imports(): import requests\n"
        "print(requests.compat.chardet is charset_normalizer)"
    )
    assert said == "True"


def test_after_a_failed_import_everything_is_as_before() -> None:
    said = run(
        LEAN + "gc.disable()\n"
        "try:\n    with lean_imports(): import no_such_module_at_all\n"
        "except ImportError: pass\n"
        "print('charset_normalizer' in sys.modules, gc.isenabled())"
    )
    assert said == "False False"


def test_the_http_port_uses_it() -> None:
    said = run(
        "import asyncio, sys\nfrom pairlet.core.http import Request\n"
        "from pairlet.linux.http import RequestsHttp\n"
        "from pairlet.core.errors import PairletError\n"
        "try: asyncio.run(RequestsHttp().exchange(Request('GET', 'ftp://x/', [])))\n"
        "except PairletError as error: pass\n"
        "print('requests' in sys.modules, 'charset_normalizer' in sys.modules)"
    )
    assert said == "True False"
