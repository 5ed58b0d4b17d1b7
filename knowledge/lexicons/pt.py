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

DIMINUTIVES = "zinhos zinhas zinho zinha inhos inhas inho inha"
NO_DIMINUTIVES = (
    "caminho caminhos carinho vizinho vizinha vizinhos vizinhas cozinha sozinho sozinha rainha padrinho madrinha"
    " farinha galinha campainha marinha focinho espinha bainha"
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
    " pede pedem pedi pediu"
    " perfeito otimo legal certo claro verdade parece novo nova velho velha grande pequeno outra nele nela dele dela"
    " momento minuto hora horas tempo semana mes ano frente lado parte jeito forma maneira opcao gostei"
)

CONCEPTS: dict[str, str] = {
    "count": "quantos|quantas",
    "who": "quem e|quem sao|nome do|nome da",
    "price": "quanto custa|quanto fica|quanto sai|quanto e|quanto que e|quanto cobra|quanto voces cobram|quanto pago"
    "|quanto eu pago|quanto vou pagar|quanto tenho que pagar|quanto|preco|valor|custo|custar|reais|cobrar|taxa|caro"
    "|barato|de graca|gratuito|gratis|gasto|gastar|sai caro|custa caro|quanto e que e|quanto da|por quanto"
    "|quanto que fica|quanto ta|quanto esta|faixa de preco|pesa no bolso|quanto que voces|sai por quanto"
    "|fica em quanto|cobram|quanto cobram",
    "free": "de graca|gratuito|gratis|sem custo|nao paga|sem pagar|preciso pagar|tem que pagar",
    "fee": "multa|taxa|penalidade|cobram|penalizacao|prejuizo|multam|valor da multa",
    "duration": "quanto tempo|demora|demorar|dura|durar|duracao|minutos|quantas horas|quanto dura|leva quanto"
    "|quantos minutos|quanto demora",
    "sessions": "quantas sessoes|sessao|sessoes",
    "hours": "horario|que horas|ate que horas|abre|abrir|abertura|fecha|fechar|funciona|funcionamento|aberto|aberta"
    "|expediente|horario de atendimento|segunda a sexta|domingo|sabado|que hora|ate que hora|fim de semana|meio dia"
    "|comeca a atender|para de atender|depois do trabalho|saio do servico|saio do trabalho|plantao|de madrugada"
    "|madrugada|manha cedo|bem cedo|de noite|a noite|ate tarde|as seis|as sete|as oito|as nove|as dez|depois das"
    "|antes das|meia noite|hora do almoco|da tempo de|aberto agora|alguem ai|tem gente ai|final de semana|encerram"
    "|comecam|comeca|hora que abre|hora que fecha",
    "when": "que dia|que dias|quais dias|qual dia|em que dia|quando|segunda feira|terca feira|quarta feira"
    "|quinta feira|sexta feira|segunda|terca|quarta|quinta|sexta|sabado|domingo|fim de semana|dia da semana|quintas"
    "|tercas|sextas|semana",
    "place": "onde fica|onde e|onde esta|onde voces|onde ficam|endereco|rua|avenida|localizacao|localizado"
    "|como chego|como chegar|como eu chego|para chegar|pra chegar|bairro|cidade|referencia|endereco completo"
    "|ponto de referencia|onde voces ficam|onde e que fica|onde e que|taxi|uber|motorista|mapa|gps|waze|perdido"
    "|perdida|regiao|zona|achar voces|encontrar voces|cep|esquina|andar|centro|como vou|como que eu vou|ir ate ai"
    "|chegar ate ai|chegar ai|onde que|que lado|altura de|caminho",
    "metro": "metro|estacao|trem|transporte publico|linha|linha azul|linha verde|a pe|caminhando|ando muito|andando"
    "|baldeacao|conducao|transporte|nao dirijo|sem carro|desco em|descer em|descendo|parada|estacoes|qual estacao",
    "near": "perto|proximo|proxima|longe|ao lado|distancia",
    "parking": "estacionamento|estacionar|garagem|vaga|manobrista|valet|carro|parar o carro|deixar o carro|moto"
    "|estacionado|dirigindo|de carro|meu carro|automovel|veiculo|deixar na rua|zona azul|vagas|vou dirigir|onde paro"
    "|paro o carro|onde eu paro|onde posso parar|caminhonete|camionete|guardar o carro|guardar a moto",
    "booking": "marcar|agendar|agendamento|marcacao|reservar|reserva|um horario|uma hora|marcar um horario"
    "|marcar hora|horario disponivel|horario livre|vaga|encaixe|um dia pra|um dia para|ver um dia|pegar um horario"
    "|pego um horario|encaixar|encaixa|passar com|passar no|agenda|disponibilidade|cadastro|ser atendido"
    "|ser atendida|consultar|proxima vaga|ser paciente|virar paciente|paciente|data com|conseguir um horario"
    "|primeira consulta com|horario vago|horario com",
    "reschedule": "remarcar|reagendar|adiar|antecipar|trocar a data|mudar a data|outra data|nova data|outro dia"
    "|mudar o dia|trocar o dia|mudar de dia|trocar de dia|mudar o horario|trocar o horario|outro horario"
    "|trocar o meu horario|mudar o meu horario|mudar a consulta|trocar a consulta|trocar a minha consulta"
    "|mudar a minha consulta|mudar|trocar|passar para outro|jogar para outro|deixar para outro|transferir a consulta"
    "|nao posso mais|nao vou poder|imprevisto|viagem|mais pra frente|adiantar|combinamos|combinado|combinada|troco"
    "|outra hora|mudo|mover|compromisso|nao me liberou|deu ruim|mais tarde|semana seguinte|outra semana"
    "|transferir pra|transferir para|transferir|alterar|altero|data errada|ficou doente|adoeceu|em outro dia"
    "|pra outra semana|trocar minha|mudar minha|nao vai dar|nao da mais",
    "cancel": "cancelar|cancelamento|desmarcar|desistir|nao vou mais|nao vou poder ir|nao posso ir"
    "|nao vou conseguir ir|nao poder comparecer|faltar|nao vou conseguir comparecer|deixar de ir|se eu nao for|falta"
    "|desisti|desisto|nao for|nao quero mais|prejuizo|deixar pra la|falto|comparecer|nao ir|apagar meu nome"
    "|tirar meu nome|tira meu nome|vespera|anular|suspender|nao quero ir|nao vou conseguir",
    "notice": "antecedencia|avisar|avise|aviso|com quanto tempo|ate quando|aviso previo|avisando|sem avisar"
    "|de ultima hora",
    "appointment": "consulta|hora marcada|retorno|atendimento marcado|dentista|doutor|doutora",
    "evaluation": "avaliacao|avaliar|primeira consulta|primeira vez|consulta inicial|primeira|primeira visita"
    "|nunca fui|paciente novo|orcamento|dar uma olhada|olhada|olhar|examinar|diagnostico|check up|checkup|revisao"
    "|so pra ver|primeira ida|comeco|comecar o tratamento|iniciar|inicial|exame inicial|avaliacao inicial"
    "|primeiro atendimento",
    "late": "atrasar|atraso|atrasado|atrasada|tolerancia|chegar depois|chegar mais tarde|chegar tarde|transito"
    "|perder o horario|perdi o horario|perder a hora|minutos atrasado|demorar para chegar|fora do horario"
    "|minutos depois|esperam|espera|esperar|aguardam|perco a vez|perder a vez|perco a consulta|engarrafamento"
    "|congestionamento|na hora certa|chego na hora|a tempo|em cima da hora|a caminho|vinte minutos|dez minutos"
    "|quinze minutos|meia hora|demorar um pouco|segurar minha vaga|guardam minha vaga|chegar fora do horario"
    "|atrasadinha|atrasadinho|demoro|perder a consulta",
    "documents": "documento|rg|erre ge|identidade|cpf|comprovante|papelada|documentacao|carteira de motorista|cnh"
    "|carteira do convenio|apresentar|papeis|mostrar|em maos|separo|exigem|documentos pessoais|registro|carteirinha"
    "|ficha|preencher",
    "bring": "levar|trazer|levo|traga|ter em maos|carregar|preciso ter",
    "access": "cadeira de rodas|cadeirante|rampa|elevador|acessibilidade|acessivel|deficiente|deficiencia|mobilidade"
    "|degrau|escada|muleta|deficiente fisico|dificuldade para andar|dificuldade de locomocao|bengala"
    "|banheiro adaptado|degraus|nao anda|andador|muletas|escadas|locomocao|rodas|banheiro|subir|perna quebrada"
    "|pe quebrado|gesso|dificuldade|adaptado|carrinho de bebe|acesso|ela consegue|ele consegue",
    "copy": "copia|segunda via|outra via|via|outro boleto|ter comigo|outro dentista|segunda opiniao|sumiu|rasgou"
    "|reenvia|reemitir|emitir|novamente|perdi o papel|extraviou",
    "exam": "exame|radiografia|raio x|raio xis|raios x|laudo|panoramica|imagem|imagens|chapa|prontuario|chapas|raio"
    "|fotos da boca|historico|exames|tirei ai|fiz ai|resultado|resultados|panoramicas|exame antigo|exames antigos"
    "|fotos",
    "insurance": "convenio|plano de saude|plano odontologico|plano dental|plano|seguro saude|seguro|operadora"
    "|operadoras|cobertura|credenciado|credenciada|credenciados|rede credenciada|beneficio|plano da empresa|unimed"
    "|hapvida|notredame|porto seguro|metlife|particular|coberto|coberta",
    "payment": "forma de pagamento|formas de pagamento|pagamento|pagar|pix|dinheiro|cartao|credito|debito|cheque"
    "|maquininha|a vista|transferencia|dinheiro vivo|acertar|passar o cartao|celular|carteira|especie|aproximacao"
    "|quitar|bandeira|visa|mastercard|elo|jeito de pagar|como eu pago|como pago|maneira de pagar",
    "instalments": "parcelar|parcela|parcelado|parcelamento|prestacao|prestacoes|dividir|divide|em quantas vezes"
    "|quantas vezes|varias vezes|vezes sem juros|juros|parcelas|sem juros|a prazo|dez vezes|doze vezes|tres vezes"
    "|seis vezes|aos poucos|ir pagando|pesado|dividido|entrada|por mes|financiar|financiamento|apertado"
    "|nao tenho tudo|tudo de uma vez|de uma vez so|uma vez so|fazer em|varias parcelas|quantas parcelas",
    "bill": "boleto|fatura|cobranca|carne|codigo de barras|vencido|mensalidade|papel que voces mandaram|imprimo"
    "|imprimir|guia|vencimento|atrasada|conta desse mes|conta do mes|cobranca desse mes|boletos|conta venceu"
    "|conta vencida|baixar|baixo outra",
    "receipt": "nota fiscal|nota|recibo|reembolso|imposto de renda|comprovante de pagamento|nota fiscal eletronica"
    "|declarar|imposto|comprovante fiscal|comprovante|leao|restituicao|declaracao|fiscal|documento fiscal|reembolsar"
    "|ressarcir|gasto|contador|comprovar|prestacao de contas|devolve o dinheiro|pagamento comprovado|mandam a nota"
    "|comprovante de gasto|notinha|comprovante do que|comprovante de que|fornecem comprovante",
    "delivery": "entrega|entregar|frete|prazo de entrega",
    "returns": "devolver|devolucao|troca do produto|trocar o produto|trocar",
    "discount": "desconto|promocao|cupom",
    "children": "crianca|filho|filha|bebe|infantil|pediatra|odontopediatra|neto|neta|menino|menina|sobrinho|sobrinha"
    "|filhinho|filhinha|pequeno|pequena|garoto|garota|adolescente|menor de idade|cacula|dente de leite|garotinho"
    "|criancinha|aninhos|infancia|anos de idade|meus filhos|bebezinho|menor|filhos|adolescentes|bebes|maezinha"
    "|menininha|menininho|pequenos",
    "age": "idade|anos|ano",
    "emergency": "urgencia|emergencia|urgente|socorro|dor forte|muita dor|dor de dente|quebrei|pronto atendimento"
    "|dor insuportavel|doendo muito|quebrou|inchado|sangrando|acidente|encaixe|inchou|nao aguento|tombo|queda|bati"
    "|lascou|rachou|trincou|doendo demais|nao dormi|latejando|latejar|morrendo de dor|me ver agora|me ver hoje"
    "|hoje mesmo|agora mesmo|direto ai|sem marcar|hora marcada|socorrer|pus|abscesso|dor|caiu|chorando|desesperado"
    "|desesperada|cai|de dor|inflamado|socorro agora|atendimento urgente|aguentar|dor horrivel",
    "pain": "dor|doer|doendo|dolorido|doi",
    "eating": "comer|almocar|almoco|jantar|lanchar|comida|alimento|alimentar|alimentacao|refeicao|beber|sopa|sorvete"
    "|lanche|jejum|mastigar|engolir|quente|gelado|cafe da manha|bebida|posso comer|comidinha|morder",
    "online": "internet|online|site|aplicativo|e mail|email|whatsapp|mensagem",
    "cleaning": "limpeza|profilaxia|tartaro|placa bacteriana|limpar|raspagem|placa|sujeira|polimento|encardido|sujos"
    "|higienizacao|limpeza dental",
    "whitening": "clareamento|branquear|clarear|branco|brancos|branquinho|amarelado|manchado|amarelos|mais claro"
    "|mais claros|cafe|mancha|manchas|sorriso|branquinhos|clarinhos|laser|escuros|escurecido|amarelou|branqueia"
    "|branquearem",
    "braces": "aparelho|ortodontia|ortodontico|ortodontista|alinhador|alinhadores|invisalign|torto|tortos"
    "|dente torto|aparelho transparente|alinhar|endireitar|arrumar os dentes|encavalado|encavalados|dente pra frente"
    "|dentuco|tortinho|mordida|transparente|transparentes|invisivel|separados|aparelhinho|ferrinho|freio|manutencao"
    "|dentes arrumados|corrigir os dentes|endireita",
    "implant": "implante|pino|perdi um dente|perdi dente|perdi um dos dentes|falta um dente|dente faltando"
    "|outro no lugar|banguela|buraco|falha|parafuso|dente fixo|repor|reposicao|caiu meu dente|caiu um dente"
    "|sem um dente|sem dente|coroa|perdi o dente|colocar um dente|por um dente|definitivo|por outro definitivo"
    "|dente definitivo|dente perdido",
    "extraction": "extrair|extracao|arrancar|tirar o siso|tirar um dente|tirar o dente|siso|dente do juizo|juizo"
    "|ultimo dente|la do fundo|la atras|dente do fundo|terceiro molar|remover|removem|nascendo|arrancam|arranca",
    "anesthesia": "anestesia|anestesiado|anestesiar|dormente|adormecida|injecao|boca mole|anestesico|efeito|picada"
    "|adormecer|sentir a boca",
    "root_canal": "canal|nervo|raiz|polpa|endodontia|tratar a raiz|inflamou",
    "pets": "cachorro|cachorra|gato|gata|animal|animais|bicho|pet",
    "wifi": "wifi|wi fi|senha da internet|internet de voces|internet livre|carregar o celular",
    "jobs": "curriculo|emprego|contratando|trabalhar ai|trabalhar com voces|entrevista|estagio|contratam"
    "|vaga de emprego",
    "branch": "filial|filiais|unidade|unidades|outra clinica|outra loja|zona norte|zona sul|zona leste|zona oeste"
    "|outra cidade",
    "owner": "dono|dona|proprietario|gerente|diretor|fundador|fundada|fundou|existe ha",
    "prosthesis": "dentadura|protese|ponte|faceta|facetas|lente de contato|lentes de contato|porcelana|resina",
    "filling": "obturacao|restauracao|carie|massinha|amalgama|bloco",
    "gum": "gengiva|gengivite|periodontite|retracao|sangra",
    "bruxism": "bruxismo|ranjo|ranger|placa de mordida|apertar os dentes",
    "breath": "halito|bafo",
    "sensitivity": "sensivel|sensibilidade",
    "beauty": "botox|preenchimento|harmonizacao|plastica|estetica|labial|pele|tatuagem|piercing|cabelo|unha|maquiagem",
    "medicine_other": "sangue|ultrassom|gravidez|gravida|gestante|cardiologista|coracao|vista|oculos|ortopedista"
    "|vacina|psicologo|fisioterapia|nutricionista|ginecologista",
    "drugs": "remedio|antibiotico|comprimido|dipirona|ibuprofeno|receita|medicamento|farmacia|analgesico|calmante",
    "sedation": "sedacao|gas|oxido nitroso|medo|ansiedade|pavor|panico",
    "certificate": "atestado|afastamento",
    "homecare": "em casa|domicilio|acamado|acamada|vem ate|vao ate",
    "seniors": "idoso|idosos|terceira idade|aposentado|aposentada|aposentados",
    "products": "escova|pasta|fio dental|enxaguante|creme dental",
    "social": "instagram|facebook|rede social|redes sociais|tiktok|youtube",
    "complaint": "reclamar|reclamacao|ouvidoria|mal atendido|indenizacao|processar",
    "vouchers": "vale refeicao|vale alimentacao|ticket|cripto|criptomoeda|bitcoin|milhas|pontos",
    "comfort": "televisao|revista|sala de espera|ar condicionado|brinquedoteca|lanchonete|cafezinho|piscina"
    "|agua filtrada|brinquedos",
    "warranty": "garantia|conserta|consertam|conserto|troca do aparelho",
    "lifestyle": "fumar|alcool|cerveja|academia|exercicio|treinar|sol|praia",
    "credentials": "formado|formacao|faculdade|estudou|experiencia|especialista em|cro",
    "foreign": "dolar|euro|futebol|jogo|pizza|passagem|hotel|aviao|previsao do tempo|loteria|horoscopo|signo",
    "robot": "robo|maquina|gravacao|inteligencia artificial",
    "bus": "onibus|ponto de onibus|lotacao|terminal",
    "bike": "bicicleta|bike|bicicletario|patinete",
    "order": "pedido|encomenda|entregar|mercadoria",
    "holiday": "feriado|feriados|carnaval|natal|ano novo|pascoa|reveillon",
    "scan": "tomografia|ressonancia",
    "video": "video|videochamada|teleconsulta|por video",
    "referral": "indicar|indiquei|indicacao|indique",
    "private_life": "casada|casado|solteira|solteiro|namora|nasceu|mora",
    "donation": "doar|doacao|doo",
    "finance": "financeiro|saldo|devedor|divida|negativado|spc",
    "sleep": "apneia|ronco|roncar",
    "rental": "aluguel|alugar|alugam",
    "law": "vigilancia sanitaria|alvara|certificado|cnpj|contrato|licenca",
    "advice": "quantas vezes por dia|por que meu|melhor creme|melhor pasta|devo escovar|como escovar",
    "recovery": "cicatrizar|cicatrizacao|recuperacao|repouso|pos operatorio|curar",
    "companion": "acompanhar|acompanhante|assistir|junto comigo",
}
