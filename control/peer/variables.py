"""The channel variables that FreeSWITCH sets by itself, stage by stage of a call."""

import secrets
import time
from uuid import uuid4

from control.peer.facts import Channel, Dialed, Variables
from control.peer.script import Codec

PAYLOAD = {Codec.PCMU: 0, Codec.PCMA: 8, Codec.L16_16K: 97, Codec.OPUS: 116}
"""RTP payload types."""


def new_channel(dialed: Dialed, codec: Codec, now_us: int, *, session_id: int, socket: str) -> Channel:
    """A ringing channel, as far as the dialplan's `socket` has brought it.

    Args:
        socket: the application's data, `host:port async full`.
    """
    uuid, caller, tag = str(uuid4()), dialed.caller_number, secrets.token_hex(5)
    port, rtp = str(30000 + secrets.randbelow(30000)), 40000 + secrets.randbelow(20000)
    variables = Variables()
    number, host = dialed.number, "127.0.0.1"
    variables.update(
        {
            "direction": "inbound",
            "uuid": uuid,
            "session_id": str(session_id),
            "sip_from_user": caller,
            "sip_from_uri": f"{caller}@{host}",
            "sip_from_host": host,
            "video_media_flow": "disabled",
            "audio_media_flow": "disabled",
            "text_media_flow": "disabled",
            "channel_name": f"sofia/internal/{caller}@{host}",
            "sip_call_id": f"{secrets.token_hex(8)}@{host}",
            "sip_local_network_addr": host,
            "sip_network_ip": host,
            "sip_network_port": port,
            "sip_invite_stamp": str(now_us),
            "sip_received_ip": host,
            "sip_received_port": port,
            "sip_via_protocol": "udp",
            "sip_from_user_stripped": caller,
            "sip_from_tag": tag,
            "sofia_profile_name": "internal",
            "sofia_profile_url": f"sip:mod_sofia@{host}:5080",
            "recovery_profile_name": "internal",
            "sip_full_via": f"SIP/2.0/UDP {host}:{port};branch=z9hG4bK{secrets.token_hex(6)};rport={port}",
            "sip_from_display": dialed.caller_name,
            "sip_full_from": f'"{dialed.caller_name}" <sip:{caller}@{host}>;tag={tag}',
            "sip_full_to": f"<sip:{number}@{host}:5080>",
            "sip_allow": "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, REFER, NOTIFY",
            "sip_req_user": number,
            "sip_req_port": "5080",
            "sip_req_uri": f"{number}@{host}:5080",
            "sip_req_host": host,
            "sip_to_user": number,
            "sip_to_port": "5080",
            "sip_to_uri": f"{number}@{host}:5080",
            "sip_to_host": host,
            "sip_contact_user": caller,
            "sip_contact_port": port,
            "sip_contact_uri": f"{caller}@{host}:{port}",
            "sip_contact_host": host,
            "rtp_use_codec_string": "PCMU,PCMA,L16@16000h,G722,opus",
            "sip_user_agent": "softphone",
            "sip_via_host": host,
            "sip_via_port": port,
            "sip_via_rport": port,
            "max_forwards": "70",
        }
    )
    variables.update({f"sip_h_{name}": value for name, value in dialed.sip_headers.items()})
    payload = PAYLOAD[codec]
    variables.update(
        {
            "switch_r_sdp": _sdp(f"caller 1 1 IN IP4 {host}", "-", rtp, payload, _rtpmap(codec), "0-16", ""),
            "ep_codec_string": _offered(codec),
            "endpoint_disposition": "DELAYED NEGOTIATION",
            "DP_MATCH": f"ARRAY::{number}|:{number}",
            "call_uuid": uuid,
        }
    )
    variables.update(dialed.variables)
    enter_door(variables, socket)
    return Channel(
        uuid=uuid,
        dialed=dialed,
        codec=codec,
        created_us=now_us,
        profile_us=now_us,
        destination=number,
        variables=variables,
        local_port=16384 + 2 * secrets.randbelow(8000),
    )


def enter_door(variables: Variables, socket: str) -> None:
    """`set door=failed`, `set socket_resume=true`, `socket …`, as the dialplan runs them."""
    variables.update(
        {
            "door": "failed",
            "socket_resume": "true",
            "current_application_data": socket,
            "current_application": "socket",
            "socket_host": socket.partition(":")[0],
        }
    )


def negotiated(channel: Channel) -> None:
    """Media exists: the variables that come with it, at the moment of CHANNEL_PROGRESS_MEDIA."""
    name, rate = channel.codec.wire_name, str(channel.codec.sample_rate)
    payload = str(PAYLOAD[channel.codec])
    remote = (channel.variables.get("switch_r_sdp") or "").partition("m=audio ")[2].partition(" ")[0]
    channel.variables.update(
        {
            "rtp_use_codec_string": channel.variables.get("rtp_use_codec_string") or "",
            "remote_video_media_flow": "inactive",
            "remote_text_media_flow": "inactive",
            "remote_audio_media_flow": "sendrecv",
            "audio_media_flow": "sendrecv",
            "rtp_audio_recv_pt": payload,
            "rtp_use_codec_name": name,
            "rtp_use_codec_rate": rate,
            "rtp_use_codec_ptime": "20",
            "rtp_use_codec_channels": "1",
            "rtp_last_audio_codec_string": f"{name}@{rate}h@20i@1c",
            "read_codec": name,
            "original_read_codec": name,
            "read_rate": rate,
            "original_read_rate": rate,
            "write_codec": name,
            "write_rate": rate,
            "dtmf_type": "rfc2833",
            "local_media_ip": "127.0.0.1",
            "local_media_port": str(channel.local_port),
            "advertised_media_ip": "127.0.0.1",
            "rtp_use_timer_name": "soft",
            "rtp_use_pt": payload,
            "rtp_use_ssrc": str(secrets.randbits(32)),
            "rtp_2833_send_payload": "101",
            "rtp_2833_recv_payload": "101",
            "remote_media_ip": "127.0.0.1",
            "remote_media_port": remote,
        }
    )


def local_sdp(channel: Channel) -> str:
    """`rtp_local_sdp_str`, there from CHANNEL_ANSWER on."""
    payload = PAYLOAD[channel.codec]
    name = _rtpmap(channel.codec)
    began = channel.created_us // 1_000_000
    owner = f"FreeSWITCH {began} {began + 1} IN IP4 127.0.0.1"
    return _sdp(owner, "FreeSWITCH", channel.local_port, payload, name, "0-15", "a=sendrecv\r\n")


def dialog_known(channel: Channel) -> None:
    """The ACK came: SIP's dialog variables are written anew."""
    variables = channel.variables
    names = ("sip_from_tag", "sip_cseq", "sip_call_id", "sip_full_via", "sip_from_display", "sip_full_from")
    tag = secrets.token_urlsafe(9)[:13]
    variables.put("sip_to_tag", tag)
    for name in names:
        variables.put(name, variables.get(name) or str(secrets.randbelow(900) + 1))
    variables.put("sip_full_to", f"{variables.get('sip_full_to')};tag={tag}")


def _rtpmap(codec: Codec) -> str:
    """Opus is always written as stereo (RFC 7587), whatever is sent."""
    return f"{codec.wire_name}/{codec.sample_rate}" + ("/2" if codec is Codec.OPUS else "")


def _offered(codec: Codec) -> str:
    """As FreeSWITCH writes a codec with its module; that of Opus was not recorded."""
    name, rate = codec.wire_name, codec.sample_rate
    if codec is Codec.OPUS:
        return f"mod_opus.{name}@{rate}h@20i@2c"
    return f"CORE_PCM_MODULE.{name}@{rate}h@20i@{codec.bit_rate}b"


def _sdp(owner: str, name: str, port: int, payload: int, codec: str, events: str, tail: str) -> str:
    lines = (
        "v=0",
        f"o={owner}",
        f"s={name}",
        "c=IN IP4 127.0.0.1",
        "t=0 0",
        f"m=audio {port} RTP/AVP {payload} 101",
        f"a=rtpmap:{payload} {codec}",
        "a=rtpmap:101 telephone-event/8000",
        f"a=fmtp:101 {events}",
        "a=ptime:20",
    )
    return "\r\n".join(lines) + "\r\n" + tail


RTP_ZEROS_IN = ("skip_packet", "jitter_packet", "dtmf_packet", "cng_packet", "flush_packet")
RTP_ZEROS_OUT = ("skip_packet", "dtmf_packet", "cng_packet")
Q850 = {
    "UNALLOCATED_NUMBER": 1,
    "NORMAL_CLEARING": 16,
    "USER_BUSY": 17,
    "NO_USER_RESPONSE": 18,
    "CALL_REJECTED": 21,
    "DESTINATION_OUT_OF_ORDER": 27,
    "NORMAL_TEMPORARY_FAILURE": 41,
    "ORIGINATOR_CANCEL": 487,
}


def detail_record(channel: Channel, now_us: int, last_app: tuple[str, str], disposition: str) -> None:
    """The variables of a finished call, as in CHANNEL_HANGUP_COMPLETE.

    Args:
        last_app: name and data of the last application.
        disposition: what `sip_hangup_disposition` is when the caller did not hang up: `send_bye` or `send_refuse`.
    """
    variables = channel.variables

    def local(us: int) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(us / 1_000_000))

    moments = {"start": channel.created_us, "profile_start": channel.profile_us, "answer": channel.answered_us}
    moments |= {"progress_media": channel.media_us, "end": now_us}
    variables.put("hangup_cause", channel.cause)
    variables.put("hangup_cause_q850", str(Q850.get(channel.cause, 16)))
    variables.put("digits_dialed", channel.digits or "none")
    for name, us in moments.items():
        variables.put(f"{name}_stamp", local(us) if us else "")
    epochs = {"start": channel.created_us, "profile_start": channel.profile_us, "answer": channel.answered_us}
    _epochs(channel, epochs | {"bridge": 0, "last_hold": 0})
    variables.update({"hold_accum_seconds": "0", "hold_accum_usec": "0", "hold_accum_ms": "0"})
    _epochs(channel, {"resurrect": 0, "progress": 0, "progress_media": channel.media_us, "end": now_us})
    variables.put("last_app", last_app[0])
    variables.put("last_arg", last_app[1])
    variables.put("caller_id", f'"{channel.dialed.caller_name}" <{channel.dialed.caller_number}>')
    _durations(channel, now_us)
    if variables.get("sip_hangup_disposition") is None:
        variables.put("sip_hangup_disposition", disposition)
    if channel.has_media:
        _rtp_figures(channel)


def _epochs(channel: Channel, moments: dict[str, int]) -> None:
    for name, us in moments.items():
        channel.variables.put(f"{name}_epoch", str(us // 1_000_000))
        channel.variables.put(f"{name}_uepoch", str(us))


def _durations(channel: Channel, now_us: int) -> None:
    total, answered = now_us - channel.created_us, channel.answered_us
    spans = {
        "": total,
        "bill": now_us - answered if answered else 0,
        "progress": 0,
        "answer": answered - channel.created_us if answered else 0,
        "wait": 0,
        "progress_media": channel.media_us - channel.created_us if channel.media_us else 0,
        "flow_bill": total if answered else 0,
    }
    for unit, divisor in (("sec", 1_000_000), ("msec", 1000), ("usec", 1)):
        for name, us in spans.items():
            key = f"{name}{unit}" if name else {"sec": "duration", "msec": "mduration", "usec": "uduration"}[unit]
            channel.variables.put(key, str(us // divisor))


def _rtp_figures(channel: Channel) -> None:
    """Names as FreeSWITCH gives them; the peer has no RTP, so the counts are those of a silent call."""
    figures = {"in_raw_bytes": "0", "in_media_bytes": "0", "in_packet_count": "0", "in_media_packet_count": "0"}
    figures |= {f"in_{name}_count": "0" for name in RTP_ZEROS_IN}
    figures |= {"in_largest_jb_size": "0", "in_jitter_min_variance": "0.00", "in_jitter_max_variance": "0.00"}
    figures |= {"in_jitter_loss_rate": "0.00", "in_jitter_burst_rate": "0.00", "in_mean_interval": "20.00"}
    figures |= {"in_flaw_total": "0", "in_quality_percentage": "100.00", "in_mos": "4.50"}
    figures |= {"out_raw_bytes": "0", "out_media_bytes": "0", "out_packet_count": "0", "out_media_packet_count": "0"}
    figures |= {f"out_{name}_count": "0" for name in RTP_ZEROS_OUT}
    figures |= {"rtcp_packet_count": "0", "rtcp_octet_count": "0"}
    channel.variables.update({f"rtp_audio_{name}": value for name, value in figures.items()})
