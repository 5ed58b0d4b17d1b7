"""Portuguese: how callers of a Brazilian company put their questions.

Stop words are what a question is wrapped in; concepts are the things asked of any company, each with
the words that callers and operators use for it. Words stand without accents; `|` parts them.
"""

SUFFIXES = (
    "amentos imentos amento imento adores adoras adora acoes icoes coes mente idade ssemos aremos eremos iremos"
    " assem essem issem armos ermos irmos avamos iamos ariam eriam iriam aria eria iria ando endo indo aram eram"
    " iram avam arem erem irem acao icao cao adas ados idas idos ador ada ado ida ido ava amos emos imos ar er ir"
    " am em ou ei oes aes ais eis ois as os es is a o e s"
)

STOP_WORDS = (
    "a o as os um uma uns umas de do da dos das no na nos nas em por pelo pela pelos pelas para pra pro pras pros"
    " com sem sob sobre ate entre e ou mas que se ao aos eu tu ele ela eles elas nos voce voces ces ce me mim te"
    " lhe meu minha meus minhas seu sua seus suas nosso nossa nossos nossas este esta esse essa isso isto aquele"
    " aquela aquilo ai la aqui ali ca ja so mais menos muito muita muitos muitas pouco bem tambem ainda agora"
    " entao assim tao tipo meio qual quais como quem algum alguma alguns algumas nenhum nenhuma outro outra"
    " outros outras mesmo mesma mesmos todo toda todos todas tudo nada cada tem ter tenho tinha tiver temos"
    " ha haver houver ser sou e eh sao foi era for fosse seria estar esta estao estou estava to ta tava fica ficam"
    " ficar ficou fico ir vou vai vao vamos ia fui indo fazer faz fazem faco fazendo feito feita fiz fizer dar da"
    " dao dou deu der dando pode podem poder posso podia poderia quer querem quero queria queriam querer quiser"
    " gostaria gostava gostar preciso precisa precisam precisar precisava precisando consigo consegue conseguem"
    " conseguir saber sei sabe sabem soube acho acha achar ver vejo veja ligar ligando liguei falar falando fala"
    " dizer diga diz disse perguntar pergunta informar informacao duvida ajudar ajuda trabalha trabalham trabalhar"
    " trabalhamos clinica loja empresa casa lugar local gente pessoal senhor senhora moca moco amigo amiga oi ola"
    " alo bom boa dia tarde noite favor obrigado obrigada gentileza licenca olha escuta viu ne tipo assim sim nao"
    " deixa passa passar passe manda mandar mande chegar vir venho vem coisa vez caso acontece problema receber"
    " recebo pegar pego tirar tiro colocar coloca colocam usar uso aceita aceitam aceitar aceito atende atendem"
    " atender atendo atendimento vende vendem vender oferece oferecem oferecer existe existem depois antes durante"
    " dentro fora enquanto porque pois hoje amanha ontem qualquer mim comigo"
    " mae pai avo marido esposa mulher irmao irma primo prima vizinho vizinha namorado namorada amiga parente"
    " zero dois duas tres quatro cinco seis sete oito nove dez onze doze quinze vinte trinta quarenta cinquenta"
    " entrar entra sair sai subir descer andar voltar comecar comeca continuar resolver conta contar parar"
    " comprar compra ganhar perder perdi perdeu esqueci venceu vencer pedir peco mostrar trabalho"
    " perfeito otimo legal certo claro verdade parece novo nova velho velha grande pequeno outra nele nela dele dela"
    " momento minuto hora horas tempo semana mes ano frente lado parte jeito forma maneira opcao gostei"
)

CONCEPTS: dict[str, str] = {
    "count": "quantos|quantas",
    "who": "quem e|quem sao|nome do|nome da",
    "price": "quanto custa|quanto fica|quanto sai|quanto e|quanto que e|quanto cobra|quanto voces cobram|quanto pago"
    "|quanto eu pago|quanto vou pagar|quanto tenho que pagar|quanto|preco|valor|custo|custar|reais|cobrar|taxa|caro"
    "|barato|de graca|gratuito|gratis",
    "free": "de graca|gratuito|gratis|sem custo|nao paga|sem pagar|preciso pagar|tem que pagar",
    "fee": "multa|taxa|penalidade",
    "duration": "quanto tempo|demora|demorar|dura|durar|duracao|minutos|quantas horas|quanto dura|leva quanto"
    "|quantos minutos|quanto demora",
    "sessions": "quantas sessoes|sessao|sessoes",
    "hours": "horario|que horas|ate que horas|abre|abrir|abertura|fecha|fechar|funciona|funcionamento|aberto|aberta"
    "|expediente|horario de atendimento|segunda a sexta|domingo|sabado|que hora|ate que hora|fim de semana|feriado"
    "|meio dia|comeca a atender|para de atender",
    "when": "que dia|que dias|quais dias|qual dia|em que dia|quando|segunda feira|terca feira|quarta feira"
    "|quinta feira|sexta feira|segunda|terca|quarta|quinta|sexta|sabado|domingo|fim de semana|feriado|dia da semana"
    "|quintas|tercas|sextas|semana",
    "place": "onde fica|onde e|onde esta|onde voces|onde ficam|endereco|rua|avenida|localizacao|localizado"
    "|como chego|como chegar|como eu chego|para chegar|pra chegar|bairro|cidade|referencia|endereco completo"
    "|ponto de referencia|onde voces ficam|onde e que fica|onde e que",
    "metro": "metro|estacao|trem|transporte publico",
    "near": "perto|proximo|proxima|longe|ao lado|distancia",
    "parking": "estacionamento|estacionar|garagem|vaga|manobrista|valet|carro|parar o carro|deixar o carro|moto"
    "|parar|estacionado",
    "booking": "marcar|agendar|agendamento|marcacao|reservar|reserva|um horario|uma hora|marcar um horario"
    "|marcar hora|horario disponivel|horario livre|vaga|encaixe",
    "reschedule": "remarcar|reagendar|adiar|antecipar|trocar a data|mudar a data|outra data|nova data|outro dia"
    "|mudar o dia|trocar o dia|mudar de dia|trocar de dia|mudar o horario|trocar o horario|outro horario"
    "|trocar o meu horario|mudar o meu horario|mudar a consulta|trocar a consulta|trocar a minha consulta"
    "|mudar a minha consulta|mudar|trocar|passar para outro|jogar para outro|deixar para outro|transferir a consulta",
    "cancel": "cancelar|cancelamento|desmarcar|desistir|nao vou mais|nao vou poder ir|nao posso ir"
    "|nao vou conseguir ir|nao poder comparecer|faltar|nao vou conseguir comparecer|deixar de ir|se eu nao for|falta",
    "notice": "antecedencia|avisar|avise|aviso",
    "appointment": "consulta|hora marcada|retorno|atendimento marcado|dentista|doutor|doutora",
    "evaluation": "avaliacao|avaliar|primeira consulta|primeira vez|consulta inicial|primeira|primeira visita"
    "|nunca fui|paciente novo|orcamento",
    "late": "atrasar|atraso|atrasado|atrasada|tolerancia|chegar depois|chegar mais tarde|chegar tarde|transito"
    "|perder o horario|perdi o horario|perder a hora|minutos atrasado|demorar para chegar|fora do horario",
    "documents": "documento|rg|erre ge|identidade|cpf|carteirinha|comprovante|papelada|documentacao"
    "|carteira de motorista|cnh|carteira do convenio",
    "bring": "levar|trazer|levo|traga",
    "access": "cadeira de rodas|cadeirante|rampa|elevador|acessibilidade|acessivel|deficiente|deficiencia|mobilidade"
    "|degrau|escada|muleta|deficiente fisico|dificuldade para andar|dificuldade de locomocao|bengala"
    "|banheiro adaptado|degraus",
    "copy": "copia|segunda via|outra via|via|outro boleto",
    "exam": "exame|radiografia|raio x|raio xis|raios x|laudo|tomografia|panoramica|imagem|imagens|chapa|ressonancia"
    "|prontuario",
    "insurance": "convenio|plano de saude|plano odontologico|plano dental|plano|seguro saude|seguro",
    "payment": "forma de pagamento|formas de pagamento|pagamento|pagar|pix|dinheiro|cartao|credito|debito|cheque"
    "|maquininha|a vista|transferencia|dinheiro vivo",
    "instalments": "parcelar|parcela|parcelado|parcelamento|prestacao|prestacoes|dividir|divide|em quantas vezes"
    "|quantas vezes|varias vezes|vezes sem juros|juros|parcelas|sem juros|a prazo|dez vezes|doze vezes|tres vezes"
    "|seis vezes",
    "bill": "boleto|fatura|cobranca|carne|codigo de barras|vencido|mensalidade",
    "receipt": "nota fiscal|nota|recibo|reembolso|imposto de renda|comprovante de pagamento|nota fiscal eletronica"
    "|declarar|imposto|comprovante fiscal",
    "delivery": "entrega|entregar|frete|prazo de entrega",
    "returns": "devolver|devolucao|troca do produto|trocar o produto|trocar",
    "discount": "desconto|promocao|cupom",
    "children": "crianca|filho|filha|bebe|infantil|pediatra|odontopediatra|neto|neta|menino|menina|sobrinho|sobrinha"
    "|filhinho|filhinha|pequeno|pequena|garoto|garota|adolescente|menor de idade|cacula|dente de leite",
    "age": "idade|anos|ano",
    "emergency": "urgencia|emergencia|urgente|socorro|dor forte|muita dor|dor de dente|quebrei|pronto atendimento"
    "|dor insuportavel|doendo muito|quebrou|inchado|sangrando|acidente|encaixe",
    "pain": "dor|doer|doendo|dolorido|doi",
    "eating": "comer|almocar|almoco|jantar|lanchar|comida|alimento|alimentar|alimentacao|refeicao|beber|sopa|sorvete"
    "|lanche|jejum",
    "online": "internet|online|site|aplicativo|e mail|email|whatsapp|mensagem",
    "cleaning": "limpeza|profilaxia|tartaro|placa bacteriana|limpar",
    "whitening": "clareamento|branquear|clarear|branco|brancos|branquinho|amarelado|manchado|amarelos|mais claro"
    "|mais claros",
    "braces": "aparelho|ortodontia|ortodontico|ortodontista|alinhador|alinhadores|invisalign|torto|tortos"
    "|dente torto|aparelho transparente|alinhar|endireitar|arrumar os dentes",
    "implant": "implante|pino|perdi um dente|perdi dente|perdi um dos dentes|falta um dente|dente faltando"
    "|outro no lugar",
    "extraction": "extrair|extracao|arrancar|tirar o siso|tirar um dente|tirar o dente|siso|dente do juizo",
    "anesthesia": "anestesia|anestesiado|anestesiar|dormente|adormecida",
}
