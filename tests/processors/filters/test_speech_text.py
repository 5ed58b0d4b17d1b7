"""`filter.speech_text`: what the voice is given in place of what was written."""

import pytest

from processors.filters.speech_text import SpeechTextConfig, for_voice


@pytest.mark.parametrize(
    ("language", "written", "said"),
    [
        (
            "pt-BR",
            "R$ 1.250,50, 10% a menos",
            "mil duzentos e cinquenta reais e cinquenta centavos, dez por cento a menos",
        ),
        (
            "pt-BR",
            "21 vagas, 2 consultas, 200 pessoas, 2 dias",
            "vinte e uma vagas, duas consultas, duzentas pessoas, dois dias",
        ),
        ("pt-BR", "A 3ª sala do 2º andar", "A terceira sala do segundo andar"),
        (
            "pt-BR",
            "2,5 km, 300 m², 22 ºC",
            "dois vírgula cinco quilômetros, trezentos metros quadrados, vinte e dois graus",
        ),
        ("pt-BR", "protocolo 00123456", "protocolo zero zero um dois três quatro cinco seis"),
        ("pt-BR", "Dr. Silva, Av. Paulista, 1000", "Doutor Silva, Avenida Paulista, mil"),
        ("pt-BR", "de 8-12 unidades", "de oito a doze unidades"),
        ("pt-BR", "em 12/05/2026 às 14h30", "em doze de maio de dois mil e vinte e seis às catorze e trinta"),
        ("pt-BR", "a versão 1.2.3", "a versão 1.2.3"),
        ("en", "21 rooms, 2nd floor, since 1998", "twenty-one rooms, second floor, since nineteen ninety-eight"),
        ("en", "$250.50 or £5.50", "two hundred and fifty dollars and fifty cents or five pounds and fifty pence"),
        ("en", "1,000,000 people, 2.5 lb", "one million people, two point five pounds"),
        ("en", "on 03/04/2026", "on 03/04/2026"),
        ("en-US", "on 03/04/2026", "on March fourth twenty twenty-six"),
        ("en-GB", "on 03/04", "on April third"),
        ("en-US", "on 31/04", "on 31/04"),
        ("es", "21 días, 1 persona y 31 plazas", "veintiún días, una persona y treinta y una plazas"),
        ("es", "el 3º piso, la 1ª vez, el 3º", "el tercer piso, la primera vez, el tercero"),
        ("es", "2,5 kg, 200 personas", "dos coma cinco kilos, doscientas personas"),
        ("de", "um 5 Uhr", "um 5 Uhr"),
    ],
)
def test_what_is_written_is_said_in_words(language: str, written: str, said: str) -> None:
    assert for_voice(SpeechTextConfig())(written, language) == said


def test_numbers_may_be_left_to_the_voice() -> None:
    keep = for_voice(SpeechTextConfig(numbers="keep", dates="day_first"))
    assert keep("21 rooms for $5 on 03/04", "en") == "21 rooms for five dollars on April third"


def test_the_operators_spellings_go_first_and_only_as_whole_words() -> None:
    spell = for_voice(SpeechTextConfig(words={"SUS": "sus", "Dr. Xu": "doutor Chu", "R$ 5": "cinco pilas"}))
    assert spell("O SUS e o SUSTO do Dr. Xu, R$ 5.", "pt-BR") == "O sus e o SUSTO do doutor Chu, cinco pilas."


def test_what_is_in_words_already_stays() -> None:
    change = for_voice(SpeechTextConfig())
    said = change("Custa R$ 1.250,50 no 2º andar, 10% e 2,5 km.", "pt-BR")
    assert change(said, "pt-BR") == said
    assert not any(sign.isdigit() for sign in said)
