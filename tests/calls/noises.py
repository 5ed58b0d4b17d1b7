"""What callers let be heard while the assistant speaks; see tests/data/speech/README.md."""

from pathlib import Path

from control.peer import Sound, load_sound

RECORDINGS = Path(__file__).parents[1] / "data" / "speech" / "brief"


def recorded(name: str) -> Sound:
    """A sound without the silence around."""
    sound = load_sound(RECORDINGS / f"{name}.wav")
    begin, end = sound.speech
    return Sound(sound.samples[begin:end], sound.rate, name)


COUGH = recorded("cough")
"""0.25 s, of which the detector takes 0.13 to 0.29 s for speech."""
UHUM = recorded("pt_uhum")
MHM = recorded("en_mhm")
NO = recorded("en_no")
