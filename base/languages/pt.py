"""Brazilian Portuguese."""

from typing import Final

from base.languages.words import Intents, Language, Texts, numerals, phrases, vocabulary

PORTUGUESE: Final = Language(
    tag="pt-BR",
    texts=Texts(
        greeting="Olá! Você ligou para {company}. Sou a assistente virtual. Como posso ajudar?",
        farewell="Agradecemos a sua ligação. Até logo!",
        reprompt="Você ainda está aí? Como posso ajudar?",
        not_understood="Desculpe, não entendi. Pode repetir, por favor?",
        unanswerable="Desculpe, não tenho essa informação. Se quiser falar com uma pessoa, diga atendente.",
        confirm="Só para confirmar: {question}",
        operator="Certo, vou passar a ligação para um atendente. Um momento, por favor.",
        operator_away="Desculpe, ninguém pode atender neste momento. Posso ajudar em mais alguma coisa?",
        back="Você está de volta com a assistente virtual. Posso ajudar em mais alguma coisa?",
        anything_else="Posso ajudar em mais alguma coisa?",
        failure="Desculpe, estou com um problema técnico. Um momento, por favor.",
        hold="Só um instante, por favor.",
        limit="Nossa conversa chegou ao tempo limite. Agradecemos a sua ligação. Até logo!",
    ),
    intents=Intents(
        greeting=phrases("""
            oi, olá, alô, opa, e aí, bom dia, boa tarde, boa noite, oi bom dia, oi boa tarde, oi boa noite
            olá bom dia, olá boa tarde, olá boa noite, alô bom dia, alô boa tarde, alô boa noite
            oi tudo bem, olá tudo bem, tudo bem, tudo bom, como vai, oi tudo bom, bom dia tudo bem
            boa tarde tudo bem, boa noite tudo bem, tem alguém aí, está me ouvindo, você está me ouvindo
        """),
        repeat=phrases("""
            repete, repita, repetir, repete por favor, pode repetir, poderia repetir, você pode repetir
            você poderia repetir, pode repetir por favor, dá para repetir, pode falar de novo, fala de novo
            pode dizer de novo, diga de novo, de novo, mais uma vez, outra vez, como, como é, como assim, hein
            o que, o quê, o que você disse, o que foi que você disse, o que você falou, não ouvi, não escutei
            não entendi, não deu para ouvir, não entendi direito, desculpe não ouvi, desculpe não entendi
            perdão, pode falar mais devagar, fala mais devagar, pode repetir mais devagar
        """),
        operator=phrases("""
            atendente, um atendente, humano, um humano, uma pessoa, pessoa, operador, operadora, telefonista
            recepção, recepcionista, secretária, falar com atendente, falar com um atendente
            falar com uma atendente, falar com o atendente, falar com alguém, falar com uma pessoa
            falar com um humano, falar com um operador, falar com a recepção, falar com a recepcionista
            quero falar com atendente, quero falar com um atendente, quero falar com uma atendente
            quero falar com alguém, quero falar com uma pessoa, quero falar com um humano
            queria falar com alguém, queria falar com um atendente, queria falar com uma pessoa
            eu quero falar com um atendente, eu quero falar com uma pessoa, eu quero falar com alguém
            eu queria falar com um atendente, eu queria falar com alguém, eu queria falar com uma pessoa
            gostaria de falar com um atendente, gostaria de falar com uma pessoa, gostaria de falar com alguém
            eu gostaria de falar com um atendente, eu gostaria de falar com uma pessoa
            preciso falar com um atendente, preciso falar com uma pessoa, preciso falar com alguém
            posso falar com um atendente, posso falar com uma pessoa, posso falar com alguém
            me passa para um atendente, me passa para alguém, me transfere, me transfira
            pode me transferir, transfere para um atendente, transferir para um atendente
            passa para um atendente, passe para um atendente, me passe para um atendente
            quero um atendente, quero ser atendido por uma pessoa, atendimento humano
            quero atendimento humano, pessoa de verdade, quero falar com uma pessoa de verdade
            quero falar com gente, falar com gente, quero um humano
        """),
        goodbye=phrases("""
            tchau, tchauzinho, tchau tchau, até logo, até mais, até amanhã, até breve, até a próxima, adeus
            tchau obrigado, tchau obrigada, obrigado tchau, obrigada tchau, tá bom tchau, está bom tchau
            é só isso, só isso, era só isso, era isso, é isso, é só, é tudo, isso é tudo, só isso mesmo
            era só isso mesmo, é só isso mesmo, só isso obrigado, só isso obrigada, era só isso obrigado
            era só isso obrigada, é só isso obrigado, é só isso obrigada, não é só isso, não só isso
            não era só isso, não obrigado, não obrigada, não muito obrigado, não muito obrigada
            mais nada, não mais nada, nada mais, não nada mais, não quero mais nada, não preciso de mais nada
            por enquanto é só, por enquanto é só isso, pode desligar, vou desligar, pode encerrar, encerrar
            desligar, tenha um bom dia, bom dia para você também, falou, valeu tchau, até
        """),
        yes=phrases("""
            sim, isso, isso mesmo, claro, com certeza, pode, pode ser, pode sim, quero, quero sim, tá, tá bom
            está bem, tudo bem, ok, certo, exato, exatamente, positivo, aham, uhum, por favor, sim por favor
            sim quero, sim claro, é, é sim, beleza, perfeito, correto, confirmo, eu quero, bora, ótimo
        """),
        no=phrases("""
            não, não quero, negativo, de jeito nenhum, nada, agora não, não precisa, não é isso, errado
            não não, ainda não, nem pensar, não por favor, está errado, não senhor, não senhora
        """),
        thanks=phrases("""
            obrigado, obrigada, muito obrigado, muito obrigada, brigado, brigada, valeu, agradecido
            agradecida, agradeço, eu agradeço, ok obrigado, ok obrigada, tá bom obrigado, tá bom obrigada
            certo obrigado, certo obrigada, está bem obrigado, está bem obrigada, perfeito obrigado
            perfeito obrigada, ótimo obrigado, ótimo obrigada, obrigado viu, obrigada viu
        """),
        backchannel=phrases("""
            uhum, aham, hum, hm, ah, ah tá, tá, certo, sei, entendi, ok, é, isso, sim, legal, tá certo, hã
            hmm, mm, mhm, mm hmm, uh huh, hum hum, um hum, uh hum, uhun, unhum, ahã, ã hã, ahan, ahn, arrã
            eh, tá bom, beleza, pois é
        """),
        around=phrases("""
            por favor, por gentileza, então, olha, bem, ah, é, eh, hum, oi, olá, alô, bom dia, boa tarde
            boa noite, ok, tá, tá bom, certo, assim, viu, moça, moço, senhor, senhora, querida, meu bem, aí, agora
            está bem, entendi, beleza, gente, mas, e, obrigado, obrigada, muito obrigado, muito obrigada, né
            desculpa, desculpe, me desculpe
        """),
    ),
    stop_words=vocabulary("""
        a à ao aos aquela aquelas aquele aqueles aquilo as às até com como da das de dela delas dele deles
        depois do dos e é ela elas ele eles em entre era essa essas esse esses esta está estão estas este
        estes estou eu foi fosse há isso isto já lá lhe lhes mais mas me mesmo meu meus minha minhas muito na
        nas não nem no nos nós nossa nossas nosso nossos num numa o os ou para pela pelas pelo pelos por
        porque pra pro qual quais quando que quem se sem ser será seu seus só sobre somos são sua suas também
        te tem têm tenho ter teu tua tu um uma umas uns vai vão você vocês vos
        quero queria gostaria saber preciso posso pode podem poderia dizer diga fala falar favor oi olá alô bom
        boa dia tarde noite tudo bem obrigado obrigada aí aqui então né tá ah eh hum ok certo onde quanto quantos
        quanta quantas fazer faz faço tipo algum alguma alguns algumas me informar informação informe
    """),
    digits=numerals("""
        0 zero
        1 um uma
        2 dois duas
        3 três
        4 quatro
        5 cinco
        6 seis meia
        7 sete
        8 oito
        9 nove
    """),
    fillers=("Só um instante, por favor.", "Deixe-me verificar.", "Estou vendo isso para você."),
)
