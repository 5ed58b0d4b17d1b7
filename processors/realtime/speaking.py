"""The assistant's side of a realtime stage: what a model says, as the frames that a voice makes."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

from pipecat.frames.frames import (
    AggregatedTextFrame,
    Frame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.utils.text.base_text_aggregator import TextType

from processors.realtime.speech_model import MODEL_RATE

Push = Callable[[Frame], Awaitable[None]]


class Spoken:
    """One stretch of speech: an announcement, its audio, its text.

    The announcement's text grows while the model goes on (a model tells its words with the audio, not ahead of it), so
    that of speech that is broken off the words heard are known.
    """

    def __init__(self, push: Push, *, interruptible: bool) -> None:
        self._push = push
        self._interruptible = interruptible
        self._context_id = str(uuid4())
        self._announcement: AggregatedTextFrame | None = None
        self.text = ""

    @property
    def begun(self) -> bool:
        """Whether there is any sound of it."""
        return self._announcement is not None

    def words(self, text: str) -> None:
        """More of its text."""
        self.text += text
        if self._announcement is not None:
            self._announcement.text = self.text

    async def sound(self, pcm: bytes) -> None:
        """More of its audio, at `MODEL_RATE`."""
        if self._announcement is None:
            self._announcement = AggregatedTextFrame(self.text, TextType.SENTENCE, context_id=self._context_id)
            self._announcement.will_be_spoken = True
            self._announcement.append_to_context = False
            await self._send(self._announcement)
            await self._send(TTSStartedFrame(context_id=self._context_id))
        await self._send(TTSAudioRawFrame(pcm, MODEL_RATE, 1, context_id=self._context_id))

    async def end(self) -> None:
        """No more of it."""
        if self._announcement is None:
            return
        text = TTSTextFrame(
            self.text.strip(), TextType.SENTENCE, context_id=self._context_id, segment_id=self._announcement.id
        )
        text.will_be_spoken = True
        await self._send(text)
        await self._send(TTSStoppedFrame(context_id=self._context_id))

    async def _send(self, frame: Frame) -> None:
        frame.interruptible = self._interruptible
        await self._push(frame)
