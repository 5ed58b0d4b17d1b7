"""Spanish: how callers of a company put their questions. Form as in `pt`."""

SUFFIXES = (
    "amientos imientos amiento imiento adores adoras adora aciones iciones ciones mente idades idad ariamos eriamos"
    " arian erian irian aria eria iria ando iendo aron ieron aban acion icion cion adas ados idas idos ador ada ado"
    " ida ido aba amos emos imos ar er ir an en as os es a o e s"
)

STOP_WORDS = (
    "a al algo alguna algunas alguno algunos ante antes aqui asi ahi aun bien buena buenas bueno buenos cada como con"
    " cual cuales de del desde dias donde el ella ellas ellos en entre era es esa ese eso esta estan estar estas este"
    " esto estoy favor fue gracias ha hablar hace hacen hacer haga hago han hasta hay he hola hoy igual ir la las le"
    " les llamo llamar lo los mas me mi mis mucho muy nada ni no nos nosotros o otra otro para pero poder podria"
    " podrian por porque pregunta preguntar puede pueden puedo pues que queria quien quiere quiero quisiera saber se"
    " ser si sin sobre son soy su sus tal tambien tengo tener tiene tienen todo todos tu un una unas unos usted"
    " ustedes va van vez voy y ya yo necesito necesita quisieramos senor senora tarde tardes noche noches decir diga"
    " digame gustaria tienda empresa clinica lugar acepta aceptan aceptar atienden atiende ofrecen venden manana"
)

CONCEPTS: dict[str, str] = {
    "count": "cuantos|cuantas",
    "who": "quien es|quienes son",
    "price": "cuanto cuesta|cuanto vale|cuanto es|cuanto cobran|cuanto sale|cuanto|precio|precios|valor|costo|coste"
    "|tarifa|cobrar|gratis|gratuito",
    "duration": "cuanto tiempo|cuanto dura|cuanto tarda|tardar|demora|duracion|minutos",
    "hours": "horario|que hora|hasta que hora|abren|abrir|cierran|cerrar|abierto|horario de atencion|domingo|sabado",
    "when": "cuando|que dia|que dias|lunes|martes|miercoles|jueves|viernes|sabado|domingo|fin de semana|festivo",
    "place": "donde esta|donde estan|donde queda|direccion|calle|avenida|ubicacion|ubicados|como llego|como llegar"
    "|barrio",
    "metro": "metro|estacion|tren|transporte publico",
    "near": "cerca|proximo|lejos",
    "parking": "estacionamiento|aparcamiento|aparcar|estacionar|parking|garaje|coche|carro|auto",
    "booking": "pedir cita|pedir una cita|sacar cita|agendar|reservar|reserva|concertar|cita previa|una cita",
    "reschedule": "cambiar mi cita|cambiar la cita|reprogramar|aplazar|otro dia|otra fecha|cambiar la fecha|cambiar",
    "cancel": "cancelar|anular|cancelacion|no puedo ir",
    "appointment": "cita|consulta|turno",
    "evaluation": "primera consulta|primera visita|evaluacion|primera vez|valoracion",
    "late": "retraso|retrasar|llegar tarde|tolerancia",
    "documents": "documento|documentos|identificacion|dni|pasaporte",
    "access": "silla de ruedas|rampa|ascensor|elevador|accesible|discapacidad|escalera",
    "copy": "copia|duplicado|otra vez",
    "insurance": "seguro medico|seguro|plan de salud|mutua|obra social",
    "payment": "forma de pago|formas de pago|metodo de pago|pago|pagar|tarjeta|credito|debito|efectivo|transferencia",
    "instalments": "cuotas|plazos|a plazos|mensualidades|financiar",
    "invoice": "factura|recibo|boleta",
    "delivery": "entrega|entregar|envio|enviar|a domicilio",
    "returns": "devolver|devolucion|reembolso|cambio",
    "discount": "descuento|oferta|promocion|rebaja",
    "student": "estudiante|estudiantes|universidad",
    "children": "nino|ninos|nina|hijo|hija|bebe|infantil",
    "emergency": "urgencia|emergencia|urgente|dolor fuerte",
    "pain": "dolor|duele",
    "eating": "comer|comida|almorzar|cenar|alimentos",
    "online": "internet|en linea|pagina web|web|correo|whatsapp",
}
