"""A Django site with django-allauth as identity provider: `python -m django_allauth.server`, one folder up.

Asks for `username`, `password`, `scope`, `client_id`, `service_id`, `service_secret` and `provider`
(settings of allauth.idp.oidc, as its documentation names them).
"""

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django_serving import Given, configure, serve

APPS = ["auth", "contenttypes", "sessions", "messages"]


def signing_key() -> str:
    """A key for id_tokens, in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def prepare(given: Given, base: str) -> None:
    """What allauth needs, and who is there."""
    more = {
        "ROOT_URLCONF": "django_allauth.urls",
        "AUTHENTICATION_BACKENDS": ["allauth.account.auth_backends.AuthenticationBackend"],
        "IDP_OIDC_PRIVATE_KEY": signing_key(),
        # All come from one address here, and sign in and type codes more often than anybody would.
        "ACCOUNT_RATE_LIMITS": False,
        "IDP_OIDC_RATE_LIMITS": False,
        "ACCOUNT_EMAIL_VERIFICATION": "none",
        **given["provider"],
    }
    apps = [f"django.contrib.{name}" for name in APPS] + ["allauth", "allauth.account", "allauth.idp.oidc"]
    configure(given, apps, ["allauth.account.middleware.AccountMiddleware"], more)
    populate(given)


def populate(given: Given) -> None:
    """One person, and a client for each grant."""
    # Models can be imported only when Django is set up.
    from allauth.idp.oidc.models import Client
    from django.contrib.auth import get_user_model

    get_user_model().objects.create_user(given["username"], password=given["password"])
    device = Client(id=given["client_id"], name="Living room TV", type=Client.Type.PUBLIC)
    device.set_scopes(given["scope"].split())
    device.set_grant_types([Client.GrantType.DEVICE_CODE, Client.GrantType.REFRESH_TOKEN])
    device.save()
    service = Client(id=given["service_id"], name="Meter", type=Client.Type.CONFIDENTIAL)
    service.set_scopes(["telemetry"])
    service.set_grant_types([Client.GrantType.CLIENT_CREDENTIALS])
    service.set_secret(given["service_secret"])
    service.save()


if __name__ == "__main__":
    serve(prepare)
