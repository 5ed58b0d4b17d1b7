"""`filter.redact`: personal data is found by its check digits or its shape, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.frames.frames import TranscriptionFrame

from processors.filters import personal
from processors.filters.personal import is_card, is_cnpj, is_cpf, is_dni, is_iban
from tests.pipelines.virtual import virtual
from tests.processors.filters.making import for_record, made
from tests.processors.stages import heard, played


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("meu CPF é 529.982.247-25, obrigado", "meu CPF é [cpf], obrigado"),
        ("52998224725", "[cpf]"),
        ("529 982 247 25", "[cpf]"),
        ("mal ouvido: 529.982.247-24", "mal ouvido: [cpf]"),
        ("cinco dois nove nove oito dois dois quatro sete dois cinco", "[cpf]"),
        ("o CNPJ 11.222.333/0001-81 e o 12.ABC.345/01DE-35", "o CNPJ [cnpj] e o [cnpj]"),
        ("cartão 4111 1111 1111 1111 vence 12/28", "cartão [cartão] vence 12/28"),
        ("meu telefone é (11) 99876-5432, ou +55 11 4002-8922", "meu telefone é [telefone], ou [telefone]"),
        ("liga no 4002-8922", "liga no [telefone]"),
        ("nove nove oito sete meia cinco quatro três dois", "[telefone]"),
        ("ana.silva@clinica.com.br ou ana arroba clinica ponto com", "[e-mail] ou [e-mail]"),
        ("IBAN ES91 2100 0418 4502 0005 1332 es", "IBAN [iban] es"),
        ("DNI 12345678Z e NIE X-1234567-L", "DNI [dni] e NIE [nie]"),
        ("SSN 123-45-6789.", "SSN [ssn]."),
    ],
)
def test_personal_data_is_not_written_down(text: str, written: str) -> None:
    assert for_record("filter.redact")(text, "pt-BR") == written


@pytest.mark.parametrize(
    "text",
    [
        "custa R$ 1.250,00 e abre das 08:00 às 18:00",
        "de 2019 a 2024, ou 2019-2024",
        "no dia 12/03/2026 às 14h30",
        "pedido 12345678",
        "tenho filhos de 10, 12 e 15 anos",
        "um dois três quatro",
        "100.000.000 de pessoas",
        "DNI 12345678A",
        "meia hora",
        "",
    ],
)
def test_what_is_not_personal_stays(text: str) -> None:
    assert for_record("filter.redact")(text, "pt-BR") == text


def test_languages_have_their_own_digits_and_marks() -> None:
    redact = for_record("filter.redact")
    assert redact("my number is four one five five five five two six seven one", "en") == "my number is [phone]"
    assert redact("mi correo es ana@x.es", "es") == "mi correo es [correo]"
    assert redact("123.456.789-09", "de") == "[cpf]"


def test_only_the_kinds_that_were_chosen() -> None:
    redact = for_record("filter.redact", kinds=["email"])
    assert redact("529.982.247-25 e ana@x.com", "pt-BR") == "529.982.247-25 e [e-mail]"


@pytest.mark.parametrize(
    ("holds", "good", "bad"),
    [
        (is_cpf, "11144477735", "11111111111"),
        (is_cnpj, "12ABC34501DE35", "12ABC34501DE36"),
        (is_card, "378282246310005", "378282246310006"),
        (is_iban, "GB82WEST12345698765432", "GB82WEST12345698765431"),
        (is_dni, "00000023T", "00000023R"),
    ],
)
def test_check_digits(holds: object, good: str, bad: str) -> None:
    assert callable(holds)
    assert (holds(good), holds(bad)) == (True, False)


@given(st.text(alphabet="0123456789 .,-/()+abcXYZ@ãé", max_size=60))
def test_any_text_can_be_redacted_and_once_is_enough(text: str) -> None:
    marks = dict.fromkeys(personal.KINDS, "[x]")
    once = personal.redacted(text, "pt-BR", frozenset(personal.KINDS), marks)
    assert personal.redacted(once, "pt-BR", frozenset(personal.KINDS), marks).count("[x]") >= once.count("[x]")
    if not any(sign.isdigit() or sign == "@" for sign in text):
        assert once == text


@virtual
async def test_the_mind_gets_the_words_unless_it_was_told_not_to() -> None:
    behind, _ = await played(
        await made("filter.redact", mind=True), [heard("meu CPF é 529.982.247-25"), heard("oi", final=False)]
    )
    assert behind.texts(TranscriptionFrame) == ["meu CPF é [cpf]", "oi"]
    assert [frame.finalized for frame in behind.of(TranscriptionFrame)] == [True, False]
