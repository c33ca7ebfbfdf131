"""Connect to an API server and call it. Every failure is one ClusterError of one line; nothing else leaves this module.

The `kubernetes` package raises whatever its parts raise: on a kubeconfig that is no YAML, on an answer that is HTML
(a login portal), `[]`, `null` or half a JSON. So this module catches `Exception` where it calls that package, and
nowhere else. `reading` does the same for the code that reads attributes of an answer.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import yaml

from topologies.cluster import in_cluster, library
from topologies.cluster_state.api_fields import shorten
from topologies.common.errors import HairpinError
from topologies.common.threads import ends_within, start
from topologies.common.timeouts import TIMEOUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kubernetes import client

Result = TypeVar("Result")

API_TIMEOUT = (TIMEOUTS.api_connect_s, TIMEOUTS.api_answer_s)
LOGIN_TIMEOUT_S = 30.0  # for a kubeconfig's exec plugin to print its credentials
KUBECONFIG_MAX_BYTES = 4 * 1024 * 1024
MESSAGE_MAX = 400  # characters of another program's message that are printed
ERROR_MAX = 2000  # characters of a whole error: a kubeconfig can make a server's name of any length
FORBIDDEN, NOT_FOUND, CONFLICT = 403, 404, 409


class ClusterError(HairpinError):
    """The cluster could not be tested. The message is one line and names the next step.

    `status`: the HTTP status that the API answered; None if it did not answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(" ".join(message[:ERROR_MAX].split()))
        self.status = status


def connect(kubeconfig: str | None, context: str | None = None) -> client.ApiClient:
    """Return a new ApiClient for this kubeconfig.

    Args:
        kubeconfig: A file; None: `$KUBECONFIG`, or `~/.kube/config`, or the pod's service account if there is neither.
        context: The name of a context in it; None: the current one.

    Raises:
        ClusterError: The file cannot be read or used, or its exec plugin failed or hangs.

    """
    if kubeconfig is None and context is None and in_cluster.is_in_pod() and not any(map(Path.exists, _paths(None))):
        return _connect_in_pod()
    where = f"kubeconfig {kubeconfig or os.environ.get('KUBECONFIG') or '(default)'}"
    for path in _paths(kubeconfig):
        if wrong := _unreadable(path):
            message = f"{where}: {wrong}. Give another file with --kubeconfig=FILE or in KUBECONFIG"
            raise ClusterError(message)
    try:
        return library.client.ApiClient(_in_time(lambda: _configuration(kubeconfig, context), where))
    except ClusterError:
        raise
    except Exception as error:
        message = f"{where}: cannot be used: {one_line(error)}. Try: kubectl get nodes, with the same file and context"
        raise ClusterError(message) from error


def context_name(kubeconfig: str | None, context: str | None = None) -> str:
    """Return the name of the context that `connect` uses; empty if the kubeconfig names none."""
    for path in [] if context else _paths(kubeconfig):
        with suppress(OSError, ValueError, yaml.YAMLError, RecursionError):
            found = yaml.safe_load(path.read_text(encoding="utf-8"))
            if isinstance(found, dict) and isinstance(name := found.get("current-context"), str):
                return name
    return context or ""


def _connect_in_pod() -> client.ApiClient:
    """Return a new ApiClient with the pod's own service account."""
    try:
        return library.client.ApiClient(in_cluster.load_account())
    except Exception as error:
        message = (
            f"service account {in_cluster.ACCOUNT}: cannot be used: {one_line(error)}. "
            "Mount its token (automountServiceAccountToken: true), or give --kubeconfig=FILE"
        )
        raise ClusterError(message) from error


def core(kubeconfig: str | None, context: str | None = None) -> client.CoreV1Api:
    """Return a CoreV1Api on an ApiClient of its own, as an exec needs one (kubernetes-client/python#928)."""
    return library.client.CoreV1Api(connect(kubeconfig, context))


def again(api: client.ApiClient) -> client.CoreV1Api:
    """Return a CoreV1Api on a new ApiClient with the settings of `api`; reads no file, runs no exec plugin."""
    return library.client.CoreV1Api(library.client.ApiClient(api.configuration))


def _configuration(kubeconfig: str | None, context: str | None) -> client.Configuration:
    settings = library.client.Configuration()
    with _logged_errors() as errors:
        library.config.load_kube_config(kubeconfig, context=context, client_configuration=settings)  # type: ignore[no-untyped-call] # the package ships half its types
    if errors:
        raise library.config.ConfigException("; ".join(errors))
    settings.retries = False
    return settings


@contextmanager
def _logged_errors() -> Iterator[list[str]]:
    """Collect what the block logs as an error: kubernetes goes on without credentials when an exec plugin fails."""
    errors: list[str] = []

    def collect(record: logging.LogRecord) -> bool:
        if record.module != "kube_config" or record.levelno < logging.ERROR:
            return True
        errors.append(f"exec plugin: {record.getMessage()}")
        return False

    logging.getLogger().addFilter(collect)
    try:
        yield errors
    finally:
        logging.getLogger().removeFilter(collect)


def _in_time(load: Callable[[], Result], where: str) -> Result:
    """Return what `load` returns; ClusterError when it takes longer than LOGIN_TIMEOUT_S: an exec plugin may hang."""
    loading = start(load)
    if not ends_within(loading, LOGIN_TIMEOUT_S):
        message = f"{where}: got no credentials within {LOGIN_TIMEOUT_S:g} s: does its exec plugin wait for a login?"
        raise ClusterError(message)
    return loading.result()


def _paths(kubeconfig: str | None) -> list[Path]:
    """Return the files that kubernetes will read; KUBECONFIG may list several, of which absent ones do not count."""
    if kubeconfig is not None:
        return [Path(kubeconfig).expanduser()]
    listed = [Path(text).expanduser() for text in os.environ.get("KUBECONFIG", "").split(os.pathsep) if text]
    present = [path for path in listed if path.exists()]
    return present or listed[:1] or [Path("~/.kube/config").expanduser()]


def _unreadable(path: Path) -> str:
    """Return why a kubeconfig cannot be used; an empty string for a YAML mapping."""
    try:
        if not path.is_file():
            return f"{path}: got {'a directory' if path.is_dir() else 'no such file'}, want a file"
        if (size := path.stat().st_size) > KUBECONFIG_MAX_BYTES:
            return f"{path}: got {size / 1e6:.0f} MB, want at most {KUBECONFIG_MAX_BYTES / 1e6:.0f} MB"
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        return f"{path}: cannot be read: {error.strerror or error}"
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        return f"{path}: got what is no YAML ({one_line(error)}), want a kubeconfig"
    return "" if isinstance(found, dict) else f"{path}: got {_kind(found)}, want a YAML mapping with clusters and users"


def _kind(found: object) -> str:
    return "an empty file" if found is None else f"a {type(found).__name__}"


def call(
    api: client.ApiClient,
    what: str,
    function: Callable[..., Result],
    *arguments: object,
    timeout: tuple[float, float] = API_TIMEOUT,
    **options: object,
) -> Result:
    """Call one method of the API and return its result.

    Args:
        api: The ApiClient, for the server's name in messages.
        what: What is done, for messages: `create Pod web-a in hairpin-x`.
        function: The method of `kubernetes`.
        arguments: Its arguments.
        timeout: Seconds to connect, and to answer.
        options: Its options.

    Raises:
        ClusterError: It refused, did not answer, or its answer cannot be read.

    """
    try:
        result = function(*arguments, _request_timeout=timeout, **options)
    except library.client.ApiException as error:
        raise _refused(api, what, error) from error
    except (library.http_errors.HTTPError, OSError) as error:
        message = f"{what}: {_server(api)} does not answer ({_why(error)}): is the cluster up?"
        raise ClusterError(message) from error
    except Exception as error:
        raise _garbled(api, what, error) from error
    if result is None:
        message = f"{what}: {_server(api)} answered `null`, want an object of Kubernetes. Is it an API server?"
        raise ClusterError(message)
    return result


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn what goes wrong while an answer's fields are read into a ClusterError that names `what` was read."""
    try:
        yield
    except (AttributeError, TypeError, ValueError, LookupError) as error:
        message = f"{what}: the API's answer cannot be read: {type(error).__name__}: {one_line(error)}"
        raise ClusterError(message) from error


def _refused(api: client.ApiClient, what: str, error: client.ApiException) -> ClusterError:
    """Return the error for an answer that is no success; status 0: kubernetes' word for none, or for no JSON."""
    if not error.status:
        return ClusterError(f"{what}: {_server(api)}: {one_line(error.reason)}. {_next_step(str(error.reason))}")
    status = f"{error.status} {error.reason or ''}".strip()
    text = _message(error.body)
    return ClusterError(f"{what}: the API answered {status}{f': {text}' if text else ''}", int(error.status))


def _next_step(reason: str) -> str:
    """Return what to do about a connection that TLS or JSON has refused."""
    if "certificate is not yet valid" in reason or "certificate has expired" in reason:
        return f"This host's clock is at {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC: is it right?"
    return "Is it an API server?"


def _message(body: object) -> str:
    """Return the message of a Status object; of any other body its first characters, of HTML that it is HTML."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    try:
        status = json.loads(text)
    except ValueError:
        status = None
    if isinstance(status, dict) and status.get("message"):
        return one_line(status["message"])
    if "<html" in text[:1000].lower():
        return "an HTML page, want JSON (a login portal or a proxy answers there?)"
    return one_line(text)


def _garbled(api: client.ApiClient, what: str, error: Exception) -> ClusterError:
    wrong = f"{type(error).__name__}: {one_line(error)}"
    return ClusterError(f"{what}: {_server(api)} answered what Kubernetes does not ({wrong}). Is it an API server?")


def _server(api: client.ApiClient) -> str:
    """Return the API server's URL, and the proxy that it is asked through."""
    settings = api.configuration
    proxied = settings.proxy and not library.rest.should_bypass_proxies(settings.host, settings.no_proxy or "")
    through = f" through the proxy {settings.proxy} (HTTPS_PROXY; NO_PROXY takes hosts out)" if proxied else ""
    return f"the API server {settings.host}{through}"


def _why(error: Exception) -> str:
    """Return an exception's name and the reason it gives, without urllib3's own objects."""
    text = re.sub(r"^<?\w*Connection\w*\(.*?\):? |^<.*?object at 0x\w+>: ", "", one_line(error))
    return f"{type(error).__name__}: {text}"


def one_line(error: object) -> str:
    """Return an error's text on one line, shortened; the name of its class if it has none."""
    return shorten(str(error), MESSAGE_MAX) or type(error).__name__
