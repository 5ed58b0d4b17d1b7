"""Stock pipecat as its documentation builds a bot, for comparison: FastAPI, uvicorn, one WebSocket for each call.

    python -m benchmarks.parts.stock [--lean]

Nothing of pipecat's is patched or subclassed but the serializer, which is to be. The mock stages are ours, the same as
in our calls. What stock leaves to choose is chosen in its favour: speech timeout instead of the turn model (100 ms CPU
a turn), warnings only in the log, 8 kHz. It sends 20 ms at a time (40 by default), while the bot speaks.
"""

import argparse
import asyncio
import socket
from contextlib import suppress

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import Frame, InputAudioRawFrame, InterruptionFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import IDLE_TIMEOUT_SECS, PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_start import TranscriptionUserTurnStartStrategy, VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from benchmarks.parts.mocks import LLM, STT, TTS, TURN_WAIT_S
from benchmarks.parts.served import Ready, write
from processors.llm.mock import MockLlmService
from processors.stt.mock import MockSttService
from processors.tts.mock import MockTtsService

RATE = 8000


class RawSerializer(FrameSerializer):
    """Binary messages of L16, and a word to forget what was sent."""

    async def serialize(self, frame: Frame) -> str | bytes | None:
        if isinstance(frame, OutputAudioRawFrame):
            return frame.audio
        return '{"type":"clear"}' if isinstance(frame, InterruptionFrame) else None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        return InputAudioRawFrame(audio=data, sample_rate=RATE, num_channels=1) if isinstance(data, bytes) else None


async def run_bot(websocket: WebSocket, *, lean: bool) -> None:
    """One call, as in pipecat's examples for telephony."""
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            audio_in_enabled=True, audio_out_enabled=True, audio_out_10ms_chunks=2, serializer=RawSerializer()
        ),
    )
    strategies = UserTurnStrategies(
        start=[VADUserTurnStartStrategy(), TranscriptionUserTurnStartStrategy()],
        stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=TURN_WAIT_S)],
    )
    aggregators = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer(), user_turn_strategies=strategies),
    )
    worker = PipelineWorker(
        Pipeline(
            [
                transport.input(),
                MockSttService(STT, audio_passthrough=True),
                aggregators.user(),
                MockLlmService(LLM),
                MockTtsService(TTS, RATE),
                transport.output(),
                aggregators.assistant(),
            ]
        ),
        params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE),
        enable_rtvi=not lean,
        enable_turn_tracking=not lean,
        idle_timeout_secs=None if lean else IDLE_TIMEOUT_SECS,
    )

    async def left(_transport: FastAPIWebsocketTransport, _websocket: WebSocket) -> None:
        await worker.cancel()

    transport.add_event_handler("on_client_disconnected", left)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def app(*, lean: bool) -> FastAPI:
    """The bot's server."""

    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        await run_bot(websocket, lean=lean)

    made = FastAPI()
    made.add_api_websocket_route("/ws", ws)
    return made


class Announcing(uvicorn.Server):
    """Says where it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        write(Ready(esl_host=host, esl_port=port, tenants={}))


async def serve(*, lean: bool) -> None:
    """Until SIGTERM; says where it listens first."""
    config = uvicorn.Config(app(lean=lean), host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = Announcing(config)
    with suppress(asyncio.CancelledError):
        await server.serve()


def main() -> None:
    """Run the server on the loop that was asked for: asyncio's, or uvloop with the lean flags."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lean", action="store_true")
    lean: bool = parser.parse_args().lean
    logger.remove()
    if lean:
        import uvloop

        uvloop.run(serve(lean=True))
    else:
        asyncio.run(serve(lean=False))


if __name__ == "__main__":
    main()
