"""A Django site on a free port of 127.0.0.1, for tests; each server.py beside this says what is on it.

Takes one line of JSON on stdin: `folder` (for the database), perhaps `cert_file` and `key_file`, and what
the site asks for. Says {"base": URL} on stdout when it listens, and ends when stdin does.
"""

import json
import os
import secrets
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import django
import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.management import call_command

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

Given = dict[str, Any]


def configure(given: Given, apps: list[str], middleware: list[str], more: dict[str, Any]) -> None:
    """Django's settings: its own defaults wherever an app in use allows it, and `more` on top."""
    database = os.path.join(given["folder"], "django.sqlite3")
    processors = ["template.context_processors.request", "contrib.auth.context_processors.auth"]
    processors += ["contrib.messages.context_processors.messages"]
    settings.configure(
        SECRET_KEY=secrets.token_urlsafe(48),
        ALLOWED_HOSTS=["127.0.0.1"],
        INSTALLED_APPS=apps,
        MIDDLEWARE=MIDDLEWARE + middleware,
        STATIC_URL="static/",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": [f"django.{name}" for name in processors]},
            }
        ],
        # The tables as the models are now, without the way there, and no slow hash: seconds that tests save.
        MIGRATION_MODULES={name.rpartition(".")[2]: None for name in apps},
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        USE_TZ=True,
        LOGGING={
            "version": 1,
            "handlers": {"stderr": {"class": "logging.StreamHandler"}},
            "loggers": {"django.request": {"handlers": ["stderr"], "level": "ERROR", "propagate": False}},
        },
        **more,
    )
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)


def serve(prepare: Callable[[Given, str], None]) -> None:
    """Serve until stdin ends. `prepare(given, base)` configures the site and fills its tables."""
    given = json.loads(sys.stdin.readline())
    listener = socket.create_server(("127.0.0.1", 0))
    scheme = "https" if given.get("cert_file") else "http"
    base = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    prepare(given, base)
    tls = {"ssl_certfile": given.get("cert_file"), "ssl_keyfile": given.get("key_file")}
    config = uvicorn.Config(get_asgi_application(), lifespan="off", timeout_graceful_shutdown=1, **tls)
    server = uvicorn.Server(config)

    def end_with_stdin() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=end_with_stdin, daemon=True).start()
    # The socket listens since it was made: whoever comes before the loop runs waits a moment.
    print(json.dumps({"base": base}), flush=True)
    sys.stdout = sys.stderr
    server.run(sockets=[listener])
