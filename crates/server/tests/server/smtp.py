"""A mail server for tests: takes mail over TLS from one user and prints it as JSON lines.

    smtp.py MODE CERTIFICATE KEY      MODE is `implicit`, `starttls` or `none`

The first line that it prints is its port. Mail whose subject has `later` in it is put off once, mail
to `nobody@example.org` is refused.
"""

import asyncio
import email
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self, is_implicit):
        self.is_implicit = is_implicit
        self.put_off = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content)
        subject = str(email.header.make_header(email.header.decode_header(mail["Subject"])))
        if "later" in subject and subject not in self.put_off:
            self.put_off.add(subject)
            return "451 come back later"
        text = mail.get_payload(decode=True).decode(mail.get_content_charset() or "ascii")
        told = {"from": mail["From"], "to": envelope.rcpt_tos, "subject": subject, "text": text}
        told["id"] = mail["Message-ID"]
        told["tls"] = self.is_implicit or session.ssl is not None
        told["user"] = session.auth_data.login.decode() if session.auth_data else None
        print(json.dumps(told), flush=True)
        return "250 OK"


def sign_in(server, session, envelope, mechanism, data):
    is_known = (data.login, data.password) == (b"desk", b"hand-over-1739")
    return AuthResult(success=is_known, handled=False, auth_data=data)


async def main(mode, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    handler = Handler(mode == "implicit")

    def serve():
        if mode == "none":
            return SMTP(handler)
        options = {"authenticator": sign_in, "auth_required": True}
        if mode == "starttls":
            return SMTP(handler, tls_context=context, require_starttls=True, **options)
        return SMTP(handler, auth_require_tls=False, **options)

    tls = context if mode == "implicit" else None
    server = await asyncio.get_running_loop().create_server(serve, "127.0.0.1", 0, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
