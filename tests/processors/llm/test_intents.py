"""The few things that need no document, as callers say them and as recognition spells them."""

import pytest

from processors.llm.intents import Intent, one_slip_apart, phrasebook

WHOLE = [
    ("pt-BR", "Bom dia!", Intent.GREETING),
    ("pt-BR", "Alô, boa tarde, tudo bem?", Intent.GREETING),
    ("pt-BR", "Oi.", Intent.GREETING),
    ("pt-BR", "Pode repetir, por favor? Eu não entendi.", Intent.REPEAT),
    ("pt-BR", "Como é?", Intent.REPEAT),
    ("pt-BR", "Desculpe, não ouvi.", Intent.REPEAT),
    ("pt-BR", "Eu quero falar com um atendente, por favor.", Intent.OPERATOR),
    ("pt-BR", "Quero falar com uma pessoa de verdade", Intent.OPERATOR),
    ("pt-BR", "Atendente!", Intent.OPERATOR),
    ("pt-BR", "Olá, bom dia, eu queria falar com alguém, por favor", Intent.OPERATOR),
    ("pt-BR", "Não, obrigado, era só isso mesmo.", Intent.GOODBYE),
    ("pt-BR", "Tchau, tchau!", Intent.GOODBYE),
    ("pt-BR", "Tá bom, muito obrigada, tchau.", Intent.GOODBYE),
    ("pt-BR", "Só isso, obrigado, até logo", Intent.GOODBYE),
    ("pt-BR", "Obrigada!", Intent.THANKS),
    ("pt-BR", "Ah, entendi, muito obrigado.", Intent.THANKS),
    ("en", "Good morning.", Intent.GREETING),
    ("en", "Could you repeat that? I did not understand.", Intent.REPEAT),
    ("en", "Sorry, what was that?", Intent.REPEAT),
    ("en", "I want to speak with a person, please.", Intent.OPERATOR),
    ("en", "Can I talk to someone?", Intent.OPERATOR),
    ("en", "No, thank you, that was all.", Intent.GOODBYE),
    ("en", "Okay, thanks, bye!", Intent.GOODBYE),
    ("en", "Thank you very much.", Intent.THANKS),
    ("es", "¡Hola, buenos días!", Intent.GREETING),
    ("es", "Adiós", Intent.GOODBYE),
]

MISHEARD = [
    ("pt-BR", "Eu quero falar com um atendenti, por favor", Intent.OPERATOR),
    ("pt-BR", "Pode repitir por favor", Intent.REPEAT),
    ("pt-BR", "Muito obrigad, tchauzinho", Intent.GOODBYE),
    ("en", "Could you repead that please", Intent.REPEAT),
    ("en", "I want to speek with a person", Intent.OPERATOR),
]

NONE = [
    ("pt-BR", "Tchau, mas antes me diga o preço"),
    ("pt-BR", "Bom dia, qual é o horário?"),
    ("pt-BR", "Obrigado, e vocês têm estacionamento?"),
    ("pt-BR", "Não entendi o preço da limpeza"),
    ("pt-BR", "A pessoa precisa estar em jejum?"),
    ("pt-BR", "Vocês atendem até que horas?"),
    ("pt-BR", "Não quero falar com um atendente"),
    ("pt-BR", "Só isso custa quanto?"),
    ("pt-BR", ""),
    ("pt-BR", "?!"),
    ("en", "Goodbye is the title of the book"),
    ("en", "Hi, when are you open?"),
    ("en", "Thanks, and is there parking?"),
    ("en", "Does a person need a ticket?"),
    ("en", "That's all the money I have"),
]


@pytest.mark.parametrize(("language", "text", "intent"), WHOLE + MISHEARD)
def test_said_as_a_whole(language: str, text: str, intent: Intent) -> None:
    assert phrasebook(language).whole(text) is intent


@pytest.mark.parametrize(("language", "text"), NONE)
def test_said_beside_something_else_or_not_at_all(language: str, text: str) -> None:
    assert phrasebook(language).whole(text) is None


@pytest.mark.parametrize(
    ("text", "unasked", "asked"),
    [
        ("Tá bom", Intent.YES, Intent.YES),
        ("Tudo bem", Intent.GREETING, Intent.YES),
        ("Sim, por favor", Intent.YES, Intent.YES),
        ("Não", Intent.NO, Intent.NO),
        ("Quero sim", Intent.YES, Intent.YES),
    ],
)
def test_what_was_asked_decides_what_a_phrase_means(text: str, unasked: Intent, asked: Intent) -> None:
    book = phrasebook("pt-BR")
    assert (book.whole(text), book.whole(text, asked=True)) == (unasked, asked)


@pytest.mark.parametrize(
    ("language", "text", "wanted"),
    [
        ("pt-BR", "Tive um problema com a minha conta e quero falar com um atendente", True),
        ("pt-BR", "Não quero falar com um atendente, quero saber o preço", False),
        ("pt-BR", "A pessoa que me atendeu foi ótima", False),
        ("en", "My parcel never came, can I speak to someone about it", True),
        ("en", "I do not want to speak to a person about it", False),
    ],
)
def test_asking_for_a_person_amid_an_explanation(language: str, text: str, wanted: bool) -> None:
    assert phrasebook(language).asks_for_operator(text) is wanted


def test_a_long_speech_is_no_formality() -> None:
    assert phrasebook("pt-BR").whole("tchau " * 30) is None


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("repetir", "repitir", True),
        ("repetir", "repeti", True),
        ("repetir", "repetirr", True),
        ("repetir", "erpetir", False),
        ("repetir", "repete", False),
        ("igual", "igual", True),
        ("ab", "abcd", False),
    ],
)
def test_one_slip(one: str, other: str, near: bool) -> None:
    assert one_slip_apart(one, other) is near
    assert one_slip_apart(other, one) is near


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("pt-BR", "Uhum."),
        ("pt-BR", "Aham, aham."),
        ("pt-BR", "Hum-hum"),
        ("pt-BR", "Ah, tá, entendi."),
        ("pt-BR", "Ahã."),
        ("en", "Mm-hmm."),
        ("en", "Uh-huh, okay."),
        ("en", "Mhm"),
        ("es", "Ajá."),
        ("es", "Sí, sí, claro."),
    ],
)
def test_a_listener_acknowledges(language: str, text: str) -> None:
    assert phrasebook(language).acknowledges(text)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("pt-BR", ""),
        ("pt-BR", "..."),
        ("pt-BR", "Não."),
        ("pt-BR", "Para!"),
        ("pt-BR", "Espera."),
        ("pt-BR", "Uhum, mas e no sábado"),
        ("pt-BR", "Hã?"),
        ("pt-BR", "Tchau"),
        ("pt-BR", "Obrigado"),
        ("pt-BR", "uhum " * 7),
        ("en", "No."),
        ("en", "Stop"),
        ("en", "Wait"),
        ("en", "Okay but"),
        ("es", "No"),
        ("es", "Espere"),
        ("es", "¿Eh?"),
    ],
)
def test_words_are_more_than_that(language: str, text: str) -> None:
    assert not phrasebook(language).acknowledges(text)
