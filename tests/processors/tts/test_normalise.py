"""Written text is said as people say it."""

import pytest

from processors.tts.normalise import normalise


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("A limpeza custa R$ 150,00.", "A limpeza custa cento e cinquenta reais."),
        ("R$ 1.250,50", "mil duzentos e cinquenta reais e cinquenta centavos"),
        ("R$ 1,00", "um real"),
        ("R$ 0,50", "cinquenta centavos"),
        ("3x de R$50", "3x de cinquenta reais"),
        ("Abrimos às 14h30 e fechamos às 18h.", "Abrimos às catorze e trinta e fechamos às dezoito horas."),
        ("das 08:00 às 12:00", "das oito horas às doze horas"),
        ("à 1h, às 2h e às 21h15", "à uma hora, às duas horas e às vinte e uma e quinze"),
        ("(11) 3333-4444", "um um, três três três três, quatro quatro quatro quatro"),
        ("+55 11 98765-4321", "cinco cinco, um um, nove oito sete seis cinco, quatro três dois um"),
        ("0800 123 4567", "zero oito zero zero, um dois três, quatro cinco seis sete"),
        ("CEP 01310-100", "CEP zero um três um zero, um zero zero"),
        ("Av. Paulista, nº 1.000", "Avenida Paulista, número 1000"),
        ("com a Dra. Ana", "com a Doutora Ana"),
        ("10/12/2024", "dez de dezembro de dois mil e vinte e quatro"),
        ("01/05", "primeiro de maio"),
        ("contato@riso.com.br", "contato arroba riso ponto com ponto br"),
        ("de 2023-2024", "de 2023-2024"),
        ("50% na 2ª via", "50% na 2ª via"),
        ("**Atenção**:\n- leve  o cartão", "Atenção: leve o cartão"),
    ],
)
def test_portuguese(written: str, said: str) -> None:
    assert normalise(written, "pt-BR") == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("It is $150.00.", "It is one hundred and fifty dollars."),
        ("$1,250.50", "one thousand two hundred and fifty dollars and fifty cents"),
        ("from 8:00 AM to 5:30 PM", "from eight AM to five thirty PM"),
        ("at 14:30", "at fourteen thirty"),
        ("at 9:05", "at nine oh five"),
        ("at 08:00", "at eight o'clock"),
        ("(212) 555-0123", "two one two, five five five, zero one two three"),
        ("03/04/2024", "03/04/2024"),
        ("info@shop.com", "info at shop dot com"),
    ],
)
def test_english(written: str, said: str) -> None:
    assert normalise(written, "en") == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Cuesta 150,00 €", "Cuesta ciento cincuenta euros"),
        ("a las 8:00", "a las ocho"),
        ("a la 1:30", "a la una y treinta"),
        ("el 2/5", "el dos de mayo"),
    ],
)
def test_spanish(written: str, said: str) -> None:
    assert normalise(written, "es") == said


def test_other_languages_are_left_alone() -> None:
    assert normalise("um  8:00 Uhr", "de") == "um 8:00 Uhr"
