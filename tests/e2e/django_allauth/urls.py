"""Where things are on the site, as django-allauth's documentation has it: sign-in and identity provider."""

from unittest import mock

from allauth.idp.oidc import views
from allauth.idp.oidc.internal.oauthlib.server import DeviceOAuthLibServer
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

BRIEF_S = 3


class BriefCodes(DeviceOAuthLibServer):
    """Codes that live for seconds. The setting for their life is one for the whole site."""

    def __init__(self) -> None:
        super().__init__()
        self._expires_in = BRIEF_S


@csrf_exempt
def brief_device_code(request: HttpRequest) -> HttpResponse:
    """The same endpoint with brief codes. All views of this site run in one thread, one after the other."""
    with mock.patch.object(views, "get_device_server", BriefCodes):
        return views.device_code(request)


urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("", include("allauth.idp.urls")),
    path("brief/device/code", brief_device_code),
]
