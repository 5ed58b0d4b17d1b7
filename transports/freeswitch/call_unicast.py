"""The unicast stream of one call, from its ports to its first datagram."""

import asyncio
from ipaddress import IPv4Network, IPv6Network

import structlog
from msgspec import Struct

from transports.freeswitch.errors import LocalProtocolError, MediaUnavailableError
from transports.freeswitch.esl_wire import DoorWire
from transports.freeswitch.peers import LOOPBACK, is_within
from transports.freeswitch.unicast import UnicastCodec, native_law
from transports.freeswitch.unicast_guard import MIN_SILENCE_S, NoDatagrams
from transports.freeswitch.unicast_ports import PortPair, UnicastPorts
from transports.freeswitch.unicast_socket import UnicastMedia

_MAX_BINDS = 16
_TIMER_SLACK_S = 0.002
"""A timer of asyncio may fire a clock tick early; the evidence must not."""

log = structlog.get_logger()


class UnicastOptions(Struct, frozen=True, kw_only=True):
    """How unicast streams are made."""

    our_host: str | None = None
    """IPv4 address to bind, and to announce on every wire; None = the one that the event socket came in on."""
    switch_host: str | None = None
    """IPv4 address that FreeSWITCH binds; None = the one that its event socket comes from."""
    networks: tuple[IPv4Network | IPv6Network, ...] = LOOPBACK
    """Where both ends have to lie: the audio is not encrypted, and the switch takes it from anybody."""
    attempts: int = 3
    first_datagram_timeout_s: float = MIN_SILENCE_S
    reply_timeout_s: float = 2.0
    native: bool = False
    """Take G.711 as it comes, half the octets; decoding and encoding it is then ours."""


class CallUnicast:
    """One call's stream; `close` gives its ports back, or keeps them from ever being used again."""

    def __init__(self, wire: DoorWire, ports: UnicastPorts, options: UnicastOptions) -> None:
        self._wire = wire
        self._machine = wire.machine
        self._ports = ports
        self._options = options
        self._media: tuple[UnicastMedia, PortPair] | None = None
        self._may_have_had_two = False

    @property
    def our_host(self) -> str:
        """Where the switch reaches us with audio."""
        return self._options.our_host or self._wire.our_host

    @property
    def allowed(self) -> bool:
        """Whether the audio would stay within the networks that it may go over."""
        return all(is_within(host, self._options.networks) for host in self._hosts())

    async def start(self) -> UnicastMedia:
        """See DoorCall.start_unicast."""
        self._wire.require_live("unicast")
        if self._media is not None:
            raise LocalProtocolError("a unicast stream was started on this connection before: re-enter the door")
        evidence: NoDatagrams | None = None
        for attempt in range(self._options.attempts):
            self._may_have_had_two = attempt > 0
            media, pair = self._media = self._bind()
            evidence = await self._try(media, pair, evidence)
            if evidence is None:
                return media
            self._drop_media(lost=True)
            log.warning(
                "no unicast datagram came", call=self._machine.hello.call_id, waited_s=round(evidence.waited_s, 3)
            )
        raise MediaUnavailableError(f"no unicast datagram on {self._options.attempts} ports")

    def close(self) -> None:
        """Close the socket. Idempotent."""
        self._drop_media(lost=self._may_have_had_two)

    def _hosts(self) -> tuple[str, str]:
        """Ours and the switch's."""
        return self.our_host, self._options.switch_host or self._wire.peer_host

    def _bind(self) -> tuple[UnicastMedia, PortPair]:
        rate = self._machine.sample_rate
        if rate is None:
            raise LocalProtocolError("unicast before the answer would crash the switch")
        law = native_law(self._machine.codec, rate) if self._options.native else None
        host, peer = self._hosts()
        if not self.allowed:
            raise MediaUnavailableError(f"unicast between {host} and {peer} would leave the media network")
        for _ in range(_MAX_BINDS):
            pair = self._ports.take()
            try:
                return UnicastMedia.open((host, pair.ours), (peer, pair.switch), UnicastCodec(rate, law)), pair
            except OSError:
                self._ports.give_back(pair)  # somebody else's socket; another time it may be free
        raise MediaUnavailableError(f"none of {_MAX_BINDS} ports could be bound on {host}")

    async def _try(self, media: UnicastMedia, pair: PortPair, evidence: NoDatagrams | None) -> NoDatagrams | None:
        """One `unicast`; None when it is alive, else the evidence that it is not."""
        try:
            switch = media.peer[0], pair.switch
            self._wire.ask(lambda: self._machine.media.unicast(switch, media.local, evidence, native=media.native))
        except LocalProtocolError:
            self._drop_media(lost=False)
            raise
        try:
            return await self._first_datagram(media, pair.switch)
        except BaseException:
            self._drop_media(lost=True)
            raise

    async def _first_datagram(self, media: UnicastMedia, port: int) -> NoDatagrams | None:
        wire, options = self._wire, self._options
        await wire.until(
            lambda: port in wire.accepted_ports or wire.refused_unicast is not None or not self._machine.live,
            options.reply_timeout_s,
            "unicast",
        )
        if wire.refused_unicast is not None:
            raise MediaUnavailableError(f"FreeSWITCH refused unicast: {wire.refused_unicast}")
        loop = asyncio.get_running_loop()
        accepted_at = loop.time()
        heard = await media.first_datagram(options.first_datagram_timeout_s + _TIMER_SLACK_S)
        self._wire.require_live("unicast")
        if heard:
            self._machine.media.datagram_heard()
            return None
        if media.counters.dropped_size:
            # It is alive: another `unicast` would leak it, and end the switch with it.
            self._machine.media.datagram_heard()
            raise MediaUnavailableError("the stream's datagrams are not 20 ms of the read codec: another packet time?")
        return NoDatagrams(port, loop.time() - accepted_at)

    def _drop_media(self, *, lost: bool) -> None:
        if self._media is None:
            return
        (media, pair), self._media = self._media, None
        media.close()
        if lost:
            self._ports.retire(pair)
        else:
            self._ports.give_back(pair)
