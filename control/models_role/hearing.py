"""`POST /v1/audio/transcriptions`, as https://platform.openai.com/docs/api-reference/audio has it.

Of its formats there are `json`, `text` and `verbose_json`; an utterance has at most 30 s. No word of it is logged.
"""

import io
import zlib
from typing import Any, Final

import numpy as np
from litestar import Response, post
from litestar.datastructures import UploadFile
from litestar.handlers import HTTPRouteHandler

from control.models_role.gone import unless_gone
from control.models_role.ledger import asking
from control.models_role.refusals import RequestRefusedError
from control.models_role.requests import Ask, client_of
from control.models_role.shelf import Shelf
from processors.served import protocol
from processors.served.protocol import Segment, Transcription
from processors.stt.ears import Asked
from processors.stt.recogniser import MAX_WINDOW_S, Recognition

FORMATS: Final = ("json", "text", "verbose_json")
BEAM_SIZES: Final = ("1", "2", "3", "4", "5")
RATES_HZ: Final = range(4000, 192_001)


def hearing(shelf: Shelf) -> HTTPRouteHandler:
    """The endpoint."""

    @post(protocol.TRANSCRIPTIONS, status_code=200)
    async def transcriptions(request: Ask) -> Response[Any]:
        """`multipart/form-data`: `file`, `model`, `language`, `prompt`, `response_format`."""
        asking.set(client_of(request))
        form = await request.form()
        file, form_of_answer = form.get("file"), str(form.get("response_format") or FORMATS[0])
        if form_of_answer not in FORMATS:
            raise RequestRefusedError("response_format")
        if not isinstance(file, UploadFile):
            raise RequestRefusedError("file")
        pcm, rate = pcm_of(await file.read())
        language = str(form.get("language") or "en")
        asked = Asked(
            language=language,
            prompt=str(form.get("prompt") or ""),
            beam_size=_beam_size(request),
            tell_language=request.headers.get(protocol.TELL_LANGUAGE) == "1",
        )
        ears = await shelf.ears(str(form.get("model") or ""))
        found = await unless_gone(request, ears.recognise(pcm, rate, asked))
        if form_of_answer == "text":
            return Response(found.text + "\n", media_type="text/plain")
        if form_of_answer == "json":
            return Response({"text": found.text})
        return Response(transcription(found, language, len(pcm) / 2 / rate))

    return transcriptions


def pcm_of(sound: bytes) -> tuple[bytes, int]:
    """S16LE, mono, of a file in any format that libsndfile reads, and its rate. Raises RequestRefusedError."""
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(sound)) as file:
            rate = int(file.samplerate)
            if rate not in RATES_HZ or not 0 < file.frames <= MAX_WINDOW_S * rate:
                raise RequestRefusedError("file")
            samples = file.read(dtype="int16", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise RequestRefusedError("file") from error
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1).astype(np.int16)
    return mono.astype("<i2").tobytes(), rate


def transcription(found: Recognition, language: str, duration_s: float) -> Transcription:
    """As `verbose_json` has it: an utterance is one segment."""
    plain = found.text.encode()
    one = Segment(
        end=duration_s,
        text=found.text,
        avg_logprob=found.confidence,
        no_speech_prob=found.no_speech,
        compression_ratio=len(plain) / len(zlib.compress(plain)),
    )
    return Transcription(
        text=found.text, language=language, duration=duration_s, segments=(one,), sounds_like=found.sounds_like
    )


def _beam_size(request: Ask) -> int:
    text = request.headers.get(protocol.BEAM_SIZE, BEAM_SIZES[-1])
    if text not in BEAM_SIZES:
        raise RequestRefusedError(protocol.BEAM_SIZE)
    return int(text)
