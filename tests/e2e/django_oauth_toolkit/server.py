"""A Django site with django-oauth-toolkit, on a free port of 127.0.0.1, for tests.

Takes one line of JSON on stdin: `folder` (for the database), `username`, `password`, `client_id`,
`app_id`, `service_id`, `service_secret`, `provider` (settings of the toolkit, as its documentation names
them), and perhaps `cert_file` and `key_file`. Says {"base": URL} on stdout when it listens, and ends when
stdin does.
"""

import json
import os
import secrets
import socket
import sys
import threading
from typing import Any

import django
import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.management import call_command

APPS = ["admin", "auth", "contenttypes", "sessions", "messages", "staticfiles"]


def configure(given: dict[str, Any], base: str) -> None:
    """Django's settings: its own defaults wherever the toolkit and the admin's sign-in page allow it."""
    apps = [f"django.contrib.{name}" for name in APPS] + ["oauth2_provider"]
    engine = "django.template.backends.django.DjangoTemplates"
    database = os.path.join(given["folder"], "django.sqlite3")
    processors = ["template.context_processors.request", "contrib.auth.context_processors.auth"]
    processors += ["contrib.messages.context_processors.messages"]
    settings.configure(
        SECRET_KEY=secrets.token_urlsafe(48),
        ALLOWED_HOSTS=["127.0.0.1"],
        INSTALLED_APPS=apps,
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        ROOT_URLCONF="urls",
        STATIC_URL="static/",
        LOGIN_URL="admin:login",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        TEMPLATES=[
            {
                "BACKEND": engine,
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
        OAUTH2_PROVIDER={"OAUTH_DEVICE_VERIFICATION_URI": base + "/o/device/", **given["provider"]},
    )
    django.setup()


def populate(given: dict[str, Any]) -> None:
    """The tables, one person and one public client with the device grant."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    # Models can be imported only when Django is set up.
    from django.contrib.auth import get_user_model
    from oauth2_provider.models import get_application_model

    get_user_model().objects.create_superuser(given["username"], password=given["password"])
    application = get_application_model()
    application.objects.create(
        name="Living room TV",
        client_id=given["client_id"],
        client_type=application.CLIENT_PUBLIC,
        authorization_grant_type=application.GRANT_DEVICE_CODE,
    )
    application.objects.create(
        name="Hall kiosk",
        client_id=given["app_id"],
        client_type=application.CLIENT_PUBLIC,
        authorization_grant_type=application.GRANT_AUTHORIZATION_CODE,
        redirect_uris="http://127.0.0.1/callback",
    )
    application.objects.create(
        name="Meter",
        client_id=given["service_id"],
        client_secret=given["service_secret"],
        client_type=application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=application.GRANT_CLIENT_CREDENTIALS,
    )


def main() -> None:
    """Serve until stdin ends."""
    given = json.loads(sys.stdin.readline())
    listener = socket.create_server(("127.0.0.1", 0))
    scheme = "https" if given.get("cert_file") else "http"
    base = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    configure(given, base)
    populate(given)
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


if __name__ == "__main__":
    main()
