"""A Django project in one file: simplejwt's and Django OAuth Toolkit's own views, and resources that they protect.

Its first line on standard output is the port; each further one is a request that it answered, as JSON.
"""

import json
import os
from datetime import timedelta

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

given = json.loads(os.environ["DJANGO_TEST_SETTINGS"])

settings.configure(
    SECRET_KEY=given["secret"],
    DEBUG=given["debug"],
    APPEND_SLASH=given["appendSlash"],
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "rest_framework_simplejwt.token_blacklist",
        "oauth2_provider",
    ],
    MIDDLEWARE=[f"{__name__}.log", "django.middleware.common.CommonMiddleware"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": given["database"],
            "OPTIONS": {"timeout": 20},
        }
    },
    # The tables as the models have them: the way there, a migration at a time, takes seconds.
    MIGRATION_MODULES=dict.fromkeys(["auth", "contenttypes", "token_blacklist", "oauth2_provider"]),
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    # Passwords are not what is tested, and a good hash takes half a second.
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    SIMPLE_JWT={
        "ACCESS_TOKEN_LIFETIME": timedelta(seconds=given["accessSeconds"]),
        "REFRESH_TOKEN_LIFETIME": timedelta(seconds=given["refreshSeconds"]),
        "ROTATE_REFRESH_TOKENS": True,
        "BLACKLIST_AFTER_ROTATION": True,
        "AUTH_HEADER_TYPES": [given["headerType"]],
    },
    OAUTH2_PROVIDER={"ACCESS_TOKEN_EXPIRE_SECONDS": given["accessSeconds"]},
    LOGGING_CONFIG=None,
)


def log(get_response):
    def answer(request):
        body = request.body.decode()
        response = get_response(request)
        line = {"method": request.method, "path": request.path, "status": response.status_code, "body": body}
        # In one piece: several threads answer at once.
        os.write(1, f"{json.dumps(line)}\n".encode())
        return response

    return answer


django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from oauth2_provider.contrib.rest_framework import OAuth2Authentication, TokenHasScope  # noqa: E402
from oauth2_provider.models import Application  # noqa: E402
from rest_framework.permissions import IsAuthenticated  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from rest_framework_simplejwt.authentication import JWTAuthentication  # noqa: E402
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView  # noqa: E402


class Me(APIView):
    authentication_classes = [JWTAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"username": request.user.get_username()})


class Orders(APIView):
    authentication_classes = [OAuth2Authentication]
    permission_classes = [TokenHasScope]
    required_scopes = ["read"]

    def get(self, request):
        return Response({"client": request.auth.application.client_id})


urlpatterns = [
    path("api/token/", TokenObtainPairView.as_view()),
    path("api/token/refresh/", TokenRefreshView.as_view()),
    path("api/me/", Me.as_view()),
    path("api/orders/", Orders.as_view()),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
]

call_command("migrate", run_syncdb=True, verbosity=0)
user = get_user_model().objects.create_user(given["username"], password=given["password"])
for client in given["clients"]:
    Application.objects.create(
        client_id=client["clientId"],
        client_secret=client["clientSecret"],
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=client["grant"],
        user=user,
    )

from waitress import create_server  # noqa: E402

server = create_server(get_wsgi_application(), host="127.0.0.1", port=0)
print(server.effective_port, flush=True)
server.run()
