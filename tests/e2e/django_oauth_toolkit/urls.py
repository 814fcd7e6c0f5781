"""Where things are on the site: the toolkit below /o/, as its documentation has it, and Django's sign-in."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from oauth2_provider.urls import metadata_urlpatterns
from oauth2_provider.views import DeviceAuthorizationView, ProtectedResourceView
from oauthlib.oauth2 import DeviceApplicationServer

BRIEF_S = 3


class BriefCodes(DeviceApplicationServer):
    """Codes that live for seconds. The toolkit has no setting for the half hour that they live otherwise."""

    @property
    def expires_in(self) -> int:
        """Seconds, for the answer and for the database."""
        return BRIEF_S


class BriefDeviceAuthorization(DeviceAuthorizationView):
    """The same endpoint with brief codes."""

    server_class = BriefCodes

    @classmethod
    def get_oauthlib_core(cls) -> Any:
        """A core of its own: the toolkit's method would find the one that its parent keeps."""
        return cls.get_oauthlib_backend_class()(cls.get_server())


class WhoAmI(ProtectedResourceView):
    """A resource that wants a valid access token: tells whose it is."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The user name."""
        return JsonResponse({"username": request.resource_owner.get_username()})


urlpatterns = [
    path("o/", include("oauth2_provider.urls")),
    path("", include((metadata_urlpatterns, "root_metadata"))),
    path("brief/device-authorization/", BriefDeviceAuthorization.as_view()),
    path("whoami/", WhoAmI.as_view()),
    path("admin/", admin.site.urls),
]
