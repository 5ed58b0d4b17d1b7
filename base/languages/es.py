"""Spanish, worded so that it is at home on both sides of the Atlantic."""

from typing import Final

from base.languages.words import Intents, Language, Texts, numerals, phrases, vocabulary

SPANISH: Final = Language(
    tag="es",
    texts=Texts(
        greeting="¡Hola! Ha llamado a {company}. Soy la asistente virtual. ¿En qué puedo ayudarle?",
        farewell="Gracias por su llamada. ¡Hasta luego!",
        reprompt="¿Sigue ahí? ¿En qué puedo ayudarle?",
        not_understood="Disculpe, no le he entendido. ¿Puede repetirlo, por favor?",
        unanswerable="Lo siento, no tengo esa información. Si quiere hablar con una persona, diga operador.",
        confirm="Solo para confirmar: {question}",
        operator="De acuerdo, le paso con una persona. Un momento, por favor.",
        operator_away="Lo siento, nadie puede atenderle en este momento. ¿Puedo ayudarle en algo más?",
        back="Está de nuevo con la asistente virtual. ¿Puedo ayudarle en algo más?",
        anything_else="¿Puedo ayudarle en algo más?",
        failure="Lo siento, tengo un problema técnico. Un momento, por favor.",
        hold="Un momento, por favor.",
        limit="Hemos llegado al tiempo límite de la llamada. Gracias por llamar. ¡Hasta luego!",
    ),
    intents=Intents(
        greeting=phrases("""
            hola, aló, buenas, buenos días, buen día, buenas tardes, buenas noches, hola buenos días
            hola buen día, hola buenas tardes, hola buenas noches, hola buenas, qué tal, hola qué tal
            cómo está, hola cómo está, cómo estás, hola cómo estás, hay alguien ahí, me oye, me escucha
            diga, dígame, bueno, muy buenas
        """),
        repeat=phrases("""
            repita, repite, repetir, repítalo, repítelo, repita por favor, puede repetir, puede repetirlo
            puede repetir por favor, puede repetirlo por favor, podría repetir, podría repetirlo
            me lo puede repetir, me lo repite, me puede repetir, otra vez, de nuevo, una vez más
            cómo, cómo dice, cómo dijo, cómo ha dicho, qué, qué dijo, qué ha dicho, qué dice, perdón, mande
            no oí, no le oí, no escuché, no le escuché, no he oído, no le he oído, no le escucho
            no entendí, no le entendí, no he entendido, no le he entendido, perdón no le oí
            disculpe no le oí, disculpe no entendí, más despacio, puede hablar más despacio, dígalo otra vez
        """),
        operator=phrases("""
            operador, operadora, agente, un agente, humano, un humano, persona, una persona, recepción
            recepcionista, telefonista, alguien, hablar con alguien, hablar con una persona
            hablar con un humano, hablar con un agente, hablar con un operador, hablar con una operadora
            hablar con la recepción, quiero hablar con alguien, quiero hablar con una persona
            quiero hablar con un humano, quiero hablar con un agente, quiero hablar con un operador
            quiero hablar con una operadora, quisiera hablar con alguien, quisiera hablar con una persona
            quisiera hablar con un agente, quisiera hablar con un operador, me gustaría hablar con alguien
            me gustaría hablar con una persona, necesito hablar con alguien, necesito hablar con una persona
            puedo hablar con alguien, puedo hablar con una persona, puedo hablar con un operador
            páseme con alguien, páseme con una persona, páseme con un operador, páseme con un agente
            me pasa con alguien, me pasa con una persona, me puede pasar con alguien, transfiérame
            me puede transferir, póngame con alguien, póngame con una persona, persona real
            una persona real, quiero una persona, quiero un agente, un operador por favor
            asesor, un asesor, hablar con un asesor, quiero hablar con un asesor
        """),
        goodbye=phrases("""
            adiós, chao, chau, hasta luego, hasta pronto, hasta mañana, hasta la próxima, nos vemos, bye
            gracias adiós, gracias hasta luego, gracias chao, vale adiós, vale hasta luego
            eso es todo, es todo, eso sería todo, eso era todo, nada más, nada más gracias
            eso es todo gracias, no eso es todo, no eso es todo gracias, no nada más, no nada más gracias
            no gracias, no muchas gracias, solo eso, era solo eso, sería todo, sería todo gracias
            puede colgar, voy a colgar, colgar, terminar, terminar la llamada, que tenga un buen día
            que tenga buen día, que le vaya bien, ya está, ya está gracias, no es todo, no necesito nada más
        """),
        yes=phrases("""
            sí, claro, claro que sí, por supuesto, de acuerdo, vale, está bien, ok, bueno, correcto, exacto
            exactamente, eso es, así es, sí por favor, por favor, quiero, sí quiero, ajá, perfecto, muy bien
            afirmativo, cómo no, desde luego, dale, sí claro
        """),
        no=phrases("""
            no, no quiero, ahora no, negativo, nada, para nada, de ninguna manera, no hace falta, todavía no
            está mal, no es eso, incorrecto, no señor, no señora, nunca, aún no, mejor no
        """),
        thanks=phrases("""
            gracias, muchas gracias, mil gracias, muy amable, gracias muy amable, vale gracias, ok gracias
            bueno gracias, perfecto gracias, muy bien gracias, de acuerdo gracias, se lo agradezco
            le agradezco, agradecido, agradecida, está bien gracias
        """),
        backchannel=phrases("""
            ajá, mm, mhm, hum, hm, ah, ya, sí, vale, ok, claro, entiendo, bien, ya veo, bueno, eh
            mmm, hmm, mm hmm, mjm, uh huh, uhum, um hum, ahá, está bien
        """),
        around=phrases("""
            por favor, pues, bueno, entonces, mire, oiga, ah, eh, este, hola, aló, buenos días, buenas tardes
            buenas noches, buenas, ok, vale, de acuerdo, señor, señora, señorita, ahora, y, pero, gracias
            muchas gracias, disculpe, perdón, mira, está bien, bien, perfecto
        """),
    ),
    stop_words=vocabulary("""
        a al algo algún alguna algunas alguno algunos ante antes aquí así aún aunque cada como cómo con cual cuál
        cuales cuáles cuando cuándo cuanto cuánto cuántos cuanta cuánta cuántas de del desde donde dónde dos el él
        ella ellas ellos en entre era es esa esas ese eso esos esta está están estas este esto estos estoy fue ha
        hace hacer hago han hasta hay he la las le les lo los más me mi mí mis mucho muy nada ni no nos nosotros
        nuestra nuestras nuestro nuestros o os otra otro para pero poco por porque pues que qué quien quién se sea
        ser si sí sin sobre son soy su sus también tan te tengo tiene tienen todo tu tú tus un una unas uno unos
        usted ustedes va van y ya yo
        quiero quisiera gustaría saber necesito puedo puede pueden podría decir diga dígame hablar favor hola aló
        buenos buenas días tardes noches gracias bueno vale entonces ah eh ok
    """),
    digits=numerals("""
        0 cero
        1 uno una un
        2 dos
        3 tres
        4 cuatro
        5 cinco
        6 seis
        7 siete
        8 ocho
        9 nueve
    """),
    fillers=("Un momento, por favor.", "Déjeme verificarlo.", "Lo estoy mirando."),
)
