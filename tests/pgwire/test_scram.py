"""SCRAM-SHA-256 at the server: the vector of its RFC, strangers, replays, channel binding."""

import base64

import pytest

from catalog import scram as verifiers
from catalog.scram import ScramVerifier, make_verifier, read_verifier
from server.pgwire.errors import ProtocolViolation
from server.pgwire.scram import MECHANISM, MECHANISM_PLUS, ScramExchange
from tests.pgwire.wire import ScramClient

SECRET = "tm_a_secret"
SALT = bytes(range(16))
BINDING = bytes(range(32))
PLUS = "p=tls-server-end-point,,"


def exchange(
    *, verifier: ScramVerifier | None = None, user: str = "u", binding: bytes | None = None
) -> ScramExchange:
    known = verifier or make_verifier(SECRET, salt=SALT)
    return ScramExchange(known, pretence=b"pretence", user=user, binding=binding)


def unknown(user: str, *, pretence: bytes = b"pretence") -> ScramExchange:
    return ScramExchange(None, pretence=pretence, user=user)


def fields(message: bytes) -> dict[str, str]:
    return {part[0]: part[2:] for part in message.decode().split(",")}


def test_the_vector_of_rfc_7677() -> None:
    nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    server = exchange(verifier=make_verifier("pencil", salt=salt))
    server.challenge(MECHANISM, b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
    # The nonce is random: that of the RFC takes its place.
    whole = "rOprNGfwEbeRWgbNEkqO" + nonce
    server._nonce = whole
    server._server_first = f"r={whole},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    final = f"c=biws,r={whole},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    assert server.verify(final.encode()) == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_the_right_password_is_proved_and_proves_the_server() -> None:
    client, server = ScramClient(SECRET), exchange()
    first = server.challenge(MECHANISM, client.first)
    assert fields(first)["r"].startswith(client.nonce)
    assert fields(first)["i"] == str(verifiers.ITERATIONS)
    assert server.verify(client.final(first)) == client.server_final(first)


@pytest.mark.parametrize("password", ["", "tm_a_secre", "tm_a_secret ", "TM_A_SECRET"])
def test_a_wrong_password_is_no_proof(password: str) -> None:
    client, server = ScramClient(password), exchange()
    assert server.verify(client.final(server.challenge(MECHANISM, client.first))) is None


def test_a_name_within_the_exchange_does_not_count() -> None:
    client, server = ScramClient(SECRET, name="somebody"), exchange()
    first = server.challenge(MECHANISM, client.first)
    assert server.verify(client.final(first)) == client.server_final(first)


def test_an_unknown_name_is_asked_as_a_known_one() -> None:
    client = ScramClient(SECRET)
    one, again, other, elsewhere = (
        fields(each.challenge(MECHANISM, client.first))
        for each in (
            unknown("nobody"),
            unknown("nobody"),
            unknown("somebody"),
            unknown("nobody", pretence=b"of another server"),
        )
    )
    known = fields(exchange().challenge(MECHANISM, client.first))
    assert {name: len(value) for name, value in one.items()} == {
        name: len(value) for name, value in known.items()
    }
    assert one["i"] == known["i"]
    assert one["s"] == again["s"]
    assert one["r"] != again["r"]
    assert len({one["s"], other["s"], elsewhere["s"]}) == 3


@pytest.mark.parametrize("password", [SECRET, ""])
def test_an_unknown_name_is_never_proved(password: str) -> None:
    client, server = ScramClient(password), unknown("nobody")
    assert server.verify(client.final(server.challenge(MECHANISM, client.first))) is None


def test_the_zero_keys_of_an_unknown_name_open_nothing() -> None:
    server = unknown("nobody")
    first = server.challenge(MECHANISM, b"n,,n=,r=x")
    nonce = fields(first)["r"]
    for guess in (bytes(32), b"\xff" * 32):
        proof = base64.b64encode(guess).decode()
        assert server.verify(f"c=biws,r={nonce},p={proof}".encode()) is None


def test_a_proof_of_another_exchange_is_refused() -> None:
    client, server, other = ScramClient(SECRET), exchange(), exchange()
    replayed = client.final(server.challenge(MECHANISM, client.first))
    other.challenge(MECHANISM, client.first)
    with pytest.raises(ProtocolViolation, match="nonce"):
        other.verify(replayed)


def test_every_nonce_is_new() -> None:
    nonces = {fields(exchange().challenge(MECHANISM, b"n,,n=,r=x"))["r"] for _ in range(50)}
    assert len(nonces) == 50


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"n",
        b"n,,",
        b"n,,n=u",
        b"n,,r=",
        b"n,,n=u,r=",
        b"n,,n=u,r",
        b"x,,n=u,r=a",
        b"n,,m=x,n=u,r=a",
        b"n,,long=u,r=a",
        b"n,a=admin,n=u,r=a",
        b"n,,n=\xff,r=a",
        b"p=tls-unique,,n=u,r=a",
        b"p=tls-server-end-point,,n=u,r=a",
        b"\x00" * 100,
    ],
)
def test_a_first_message_that_is_none_is_refused(first: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        exchange().challenge(MECHANISM, first)


@pytest.mark.parametrize(
    "final",
    [
        "",
        "c=biws",
        "c=biws,r={nonce}",
        "c=biws,r={nonce},p=",
        "c=biws,r={nonce},p=!!!!",
        "c=biws,r={nonce},p=AAAA",
        "c=,r={nonce},p={proof}",
        "c=*,r={nonce},p={proof}",
        "c=eSws,r={nonce},p={proof}",
        "c=biws,r={nonce}x,p={proof}",
        "c=biws,r=x,p={proof}",
        "r={nonce},p={proof}",
        "c=biws,p={proof}",
        "c=biws,r={nonce},p={proof},\xff",
    ],
)
def test_a_final_message_that_is_none_is_refused(final: str) -> None:
    server = exchange()
    nonce = fields(server.challenge(MECHANISM, b"n,,n=,r=x"))["r"]
    written = final.format(nonce=nonce, proof=base64.b64encode(bytes(32)).decode())
    with pytest.raises(ProtocolViolation):
        server.verify(written.encode("latin-1"))


def test_a_changed_final_message_is_no_proof() -> None:
    client, server = ScramClient(SECRET), exchange()
    final = client.final(server.challenge(MECHANISM, client.first))
    changed = final.replace(b",p=", b",x=more,p=")
    assert server.verify(changed) is None


def test_the_channel_is_bound() -> None:
    client = ScramClient(SECRET, gs2=PLUS, binding=BINDING)
    server = exchange(binding=BINDING)
    first = server.challenge(MECHANISM_PLUS, client.first)
    assert server.verify(client.final(first)) == client.server_final(first)


@pytest.mark.parametrize("binding", [b"", bytes(32), BINDING[:-1]])
def test_another_channel_is_found_out(binding: bytes) -> None:
    client = ScramClient(SECRET, gs2=PLUS, binding=binding)
    server = exchange(binding=BINDING)
    first = server.challenge(MECHANISM_PLUS, client.first)
    with pytest.raises(ProtocolViolation, match="channel binding") as caught:
        server.verify(client.final(first))
    assert caught.value.sqlstate == "28000"


def test_a_downgrade_is_found_out() -> None:
    with pytest.raises(ProtocolViolation, match="negotiation"):
        exchange(binding=BINDING).challenge(MECHANISM, ScramClient(SECRET, gs2="y,,").first)


@pytest.mark.parametrize("gs2", ["n,,", "y,,", "p=tls-unique,,", "p=tls-exporter,,"])
def test_the_better_mechanism_needs_its_binding(gs2: str) -> None:
    with pytest.raises(ProtocolViolation):
        exchange(binding=BINDING).challenge(MECHANISM_PLUS, ScramClient(SECRET, gs2=gs2).first)


def test_the_better_mechanism_needs_a_channel() -> None:
    with pytest.raises(ProtocolViolation):
        exchange().challenge(MECHANISM_PLUS, ScramClient(SECRET, gs2=PLUS).first)


@pytest.mark.parametrize("gs2", ["n,,", "y,,"])
def test_a_client_without_binding_is_served_where_it_may(gs2: str) -> None:
    client = ScramClient(SECRET, gs2=gs2)
    server = exchange(binding=BINDING if gs2[0] == "n" else None)
    first = server.challenge(MECHANISM, client.first)
    assert server.verify(client.final(first)) == client.server_final(first)


def test_a_verifier_is_kept_as_postgres_keeps_it() -> None:
    made = make_verifier("pencil", salt=base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    assert made.dump() == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
    assert read_verifier(made.dump()) == made
    assert "pencil" not in made.dump()


def test_two_verifiers_of_one_secret_differ() -> None:
    one, other = make_verifier(SECRET), make_verifier(SECRET)
    assert one.salt != other.salt
    assert one.stored_key != other.stored_key
