"""English: how callers of a company put their questions. Form as in `pt`."""

SUFFIXES = "ations ation ements ement ments ment ings ing iest ies ied edly ed est ly es ence ance able ible y s e"

STOP_WORDS = (
    "a an the and or but if of to in on at by for from with without about into out up down off over under than then"
    " so as i me my mine we us our you your yours he him his she her hers it its they them their this that these"
    " those there here who whom whose which what how why is am are was were be been being do does did doing done"
    " don doesn didn isn aren won wouldn couldn can could may might must shall should will would have has had having"
    " get gets getting got go goes going gonna come comes coming came take takes taking taken took make makes made"
    " want wants wanted wanna need needs needed like liked know knew wonder wondering tell told say said ask asking"
    " question call calling help please thanks thank hello hi hey good morning afternoon evening okay ok well um uh"
    " just really very also too any some all each every anything something nothing everything someone anyone one ones"
    " more most much many lot lots not no yes yeah yep right now today tonight tomorrow currently guys folks people"
    " person company business shop store place let lets see look looking find found give gives bring brings bringing"
    " put use using used sell sells selling offer offers accept accepts accepted allow allowed possible able way thing"
    " things kind sort sure still already yet only else again after before when while because since until till around"
    " got ve ll re d m s t im ive id"
    " mom mum dad mother father friend friends wife husband brother sister grandma grandpa grandmother grandfather"
    " partner neighbor zero two three four five six seven eight nine ten eleven twelve fifteen twenty thirty"
    " forty fifty"
    " leave leaving stay start try trying keep work works working buy serve join lost forgot spend send write show turn"
    " new old big small good great nice last next first time times day days hour minute week month year somewhere"
    " anywhere everywhere side part inside outside instead maybe actually basically perhaps"
)

CONCEPTS: dict[str, str] = {
    "count": "how many",
    "who": "who is|who are|who owns",
    "price": "how much is|how much does|how much are|how much do|how much will|how much would|how much|price|prices"
    "|cost|costs|charge|charges|fee|fees|dollars|bucks|expensive|cheap|for free|free|no charge|minimum|smallest"
    "|cheapest",
    "duration": "how long|how many days|how soon|take long|minutes|working days|arrive|days|deadline",
    "hours": "opening hours|hours|what time|open|opens|opening|close|closes|closed|closing|how late|how early"
    "|business hours|sunday|sundays|saturday|weekend|closing time|opening time|open until|open late|shut|shuts",
    "when": "when|what day|which day|what days|which days|monday|tuesday|wednesday|thursday|friday|saturday|sunday"
    "|mondays|tuesdays|wednesdays|thursdays|fridays|saturdays|sundays|weekend|month|week|schedule",
    "place": "where is|where are you|address|street|located|location|find you|get to you|how do i get|directions"
    "|neighborhood|what part of town|across from|get there|where exactly|find your",
    "metro": "subway|metro|train|underground|tube|station|public transport|public transportation|subway stop",
    "near": "near|nearby|close to|nearest|closest|next to|far|walk|walking|on foot",
    "parking": "park|parking|garage|car|drive|driving|parking lot|leave the car|validate|leave my car|park my car"
    "|valet",
    "booking": "book an appointment|make an appointment|book a|schedule an appointment|appointment|reservation|reserve",
    "reschedule": "reschedule|another day|different day|move my appointment|change my appointment|postpone",
    "cancel": "cancel|cancellation|call off|can not make it|cannot make it|can t make it",
    "late": "late|delayed|running late|stuck in traffic|be late",
    "documents": "document|documents|paperwork|identification",
    "access": "wheelchair|wheelchairs|ramp|elevator|lift|accessible|accessibility|disabled|disability|mobility|step"
    "|steps|stairs|crutches|step free|disabled access|walker|cane|blind",
    "copy": "copy|copies|duplicate|send it again|resend|send again|another copy|lost my bill|reprint",
    "insurance": "insurance|health plan|coverage",
    "payment": "payment|payments|pay|pays|paying|cash|card|cards|credit card|debit|check|checks|apple pay|google pay"
    "|contactless|payment method|payment methods|tap|visa|mastercard|amex|american express|credit",
    "instalments": "instalments|installments|pay monthly|split the payment",
    "invoice": "invoice|invoices|bill|receipt|receipts|taxes|proof of purchase|accounting|statement|bookkeeping"
    "|accountant",
    "delivery": "deliver|delivery|delivered|deliveries|shipping|ship|shipped|ships|postage|mail|sent to my house"
    "|home delivery|my house|my home|my door|send it to me|courier|post it|sent to me|to my home",
    "order": "order|ordered|orders|ordering|special order|order in",
    "stock": "in stock|not in stock|out of stock|available|availability|on the shelf|do not have|you don t have"
    "|get it for me|get a book in|order in|specially|special order|backorder|order it for me|order for me"
    "|order it in|don t have|do not carry|don t carry",
    "returns": "return|returns|returned|returning|refund|refunds|exchange|exchanges|bring back|bring it back"
    "|take it back|money back|return policy|send it back|book back|changed my mind|give it back|return something"
    "|send back|wrong book|take back|swap",
    "discount": "discount|discounts|money off|percent off|coupon|promotion|deal|how much off|cheaper|reduced",
    "student": "student|students|university|college|school|student card|student id|studying|campus",
    "children": "child|children|kid|kids|son|daughter|little ones|little one|toddler|boy|girl|baby|family|families"
    "|toddlers|preschooler|grandkids|grandchildren|grandson|granddaughter|little girl|little boy",
    "event": "event|events|story hour|story time|storytime|reading|readings|activities|activity|workshop",
    "club": "book club|reading group|reading club|book group|discussion group|discussion",
    "cafe": "cafe|coffee|cafeteria|cake|cakes|tea|food|eat|drink|snack|snacks|pastry|pastries|lunch|espresso"
    "|something to eat|grab a bite|hungry|restaurant|bite",
    "gift": "gift card|gift cards|gift|gifts|voucher|vouchers|present|gift certificate|birthday",
    "expire": "expire|expires|expiry|expiration|valid|run out|good for",
    "used": "used books|second hand|secondhand|old books|pre owned|preowned|buy used|buy my|buy books|sell books"
    "|sell my books|sell my|books to sell|trade in|to sell|sell you|get rid of|trade|resell|used|sell you my",
    "pain": "pain|hurts|ache|toothache",
    "emergency": "emergency|urgent",
    "online": "online|website|app|email|internet",
}
