"""A Django project in one file that accepts webhooks only with an assertion of countersign-gateway."""

from functools import wraps
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

import django
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from assertion import LARGEST_BODY, arguments


def asserted(verifier):
    """Calls a view only with a valid assertion for the body. `request.webhook` has its claims."""

    def decorate(view):
        @csrf_exempt  # The sender is no browser with a session of this site.
        @require_POST
        @wraps(view)
        def check(request, *args, **kwargs):
            try:
                body = request.body
            except RequestDataTooBig:
                return HttpResponse("the body is too large\n", status=413)
            claims, status, text = verifier.check(request.headers.get("countersign-assertion", ""), body)
            if claims is None:
                return HttpResponse(f"{text}\n", status=status, content_type="text/plain")
            request.webhook = claims
            return view(request, *args, **kwargs)

        return check

    return decorate


def urls(verifier):
    @asserted(verifier)
    def webhook(request, name):
        claims = request.webhook
        text = f"{claims['source']}: {claims.get('event_type')} ({claims['jti']})\n"
        return HttpResponse(text, content_type="text/plain")

    return [path("<path:name>", webhook)]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


if __name__ == "__main__":
    port, verifier = arguments(__doc__)
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATA_UPLOAD_MAX_MEMORY_SIZE=LARGEST_BODY,
        ROOT_URLCONF=tuple(urls(verifier)),
        USE_TZ=True,
    )
    django.setup()
    make_server("127.0.0.1", port, get_wsgi_application(), Server).serve_forever()
