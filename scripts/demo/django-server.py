"""A Django project in one file: simplejwt's own login view, for one account, on a free port that it prints."""

import os
from datetime import timedelta
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import path

settings.configure(
    SECRET_KEY=os.environ["DEMO_SECRET"],
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    USE_TZ=True,
    SIMPLE_JWT={"ACCESS_TOKEN_LIFETIME": timedelta(seconds=int(os.environ["DEMO_LIFETIME_SECONDS"]))},
)
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView  # noqa: E402

urlpatterns = [
    path("api/token/", TokenObtainPairView.as_view()),
    path("api/token/refresh/", TokenRefreshView.as_view()),
]

call_command("migrate", verbosity=0)
get_user_model().objects.create_user(os.environ["DEMO_USERNAME"], password=os.environ["DEMO_PASSWORD"])


class Handler(WSGIRequestHandler):
    def log_request(self, code="-", size="-"):
        print(f"Django answered {self.command} {self.path} with {getattr(code, 'value', code)}", flush=True)


with make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Handler) as server:
    print(server.server_port, flush=True)
    server.serve_forever()
