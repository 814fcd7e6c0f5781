"""A Django site with django-oauth-toolkit, for tests: `python -m django_oauth_toolkit.server`, one folder up.

Asks for `username`, `password`, `client_id`, `app_id`, `service_id`, `service_secret` and `provider`
(settings of the toolkit, as its documentation names them).
"""

from django_serving import Given, configure, serve

APPS = ["admin", "auth", "contenttypes", "sessions", "messages", "staticfiles"]


def prepare(given: Given, base: str) -> None:
    """What the toolkit and the admin's sign-in page need, and who is there."""
    more = {
        "ROOT_URLCONF": "django_oauth_toolkit.urls",
        "LOGIN_URL": "admin:login",
        "OAUTH2_PROVIDER": {"OAUTH_DEVICE_VERIFICATION_URI": base + "/o/device/", **given["provider"]},
    }
    configure(given, [f"django.contrib.{name}" for name in APPS] + ["oauth2_provider"], [], more)
    populate(given)


def populate(given: Given) -> None:
    """One person, and a client for each grant."""
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


if __name__ == "__main__":
    serve(prepare)
