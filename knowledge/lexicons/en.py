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
    "|cheapest|how much extra|extra|least|the least|spend|what does it|what do you charge|set me back|pricey|cost me"
    "|pay to|pay anything|minimum amount",
    "duration": "how long|how many days|how soon|take long|minutes|working days|arrive|days|deadline"
    "|how many working days|how quickly|how fast|how much longer|wait",
    "hours": "opening hours|hours|what time|open|opens|opening|close|closes|closed|closing|how late|how early"
    "|business hours|sunday|sundays|saturday|weekend|closing time|opening time|open until|open late|shut|shuts"
    "|drop by|swing by|stop by|come by|catch you|anybody there|still there|after work|lunchtime|weekdays|weekday"
    "|open today|get off work|when can i come|stop in|pop in|come over|come in on|afternoon|shift ends"
    "|when do you start|what are the hours|open on",
    "when": "when|what day|which day|what days|which days|monday|tuesday|wednesday|thursday|friday|saturday|sunday"
    "|mondays|tuesdays|wednesdays|thursdays|fridays|saturdays|sundays|weekend|month|week|schedule|which evening"
    "|what evening|which night|what night|what nights|evenings|which weekday|how often|what date",
    "place": "where is|where are you|address|street|located|location|find you|get to you|how do i get|directions"
    "|neighborhood|what part of town|across from|get there|where exactly|find your|taxi|cab|uber|driver|map|maps|gps"
    "|navigation|part of town|neighbourhood|area|corner|block|landmark|zip code|postcode|way to you|come to you|lost"
    "|reach you|whereabouts",
    "metro": "subway|metro|train|underground|tube|station|public transport|public transportation|subway stop|stop"
    "|stops|line|transit|rail|tram|do not drive|don t drive|walk from|on foot|get off|easiest way there",
    "near": "near|nearby|close to|nearest|closest|next to|far|walk|walking|on foot|how far|far from|distance"
    "|minutes away|close by",
    "parking": "park|parking|garage|car|drive|driving|parking lot|leave the car|validate|leave my car|park my car"
    "|valet|driving over|drive over|driving there|vehicle|vehicles|car park|spot|motorcycle|truck|put the car"
    "|garage around|shoppers parking|leave their cars|cars|drop my car",
    "booking": "book an appointment|make an appointment|book a|schedule an appointment|appointment|reservation|reserve",
    "reschedule": "reschedule|another day|different day|move my appointment|change my appointment|postpone",
    "cancel": "cancel|cancellation|call off|can not make it|cannot make it|can t make it",
    "late": "late|delayed|running late|stuck in traffic|be late",
    "documents": "document|documents|paperwork|identification",
    "access": "wheelchair|wheelchairs|ramp|elevator|lift|accessible|accessibility|disabled|disability|mobility|step"
    "|steps|stairs|crutches|step free|disabled access|walker|cane|blind|climb|upstairs|pram|stroller|lifting"
    "|entrance|legs|scooter|broken leg|get around|get in|disabilities|can t walk|second floor|carriage|baby carriage"
    "|carry it up|pushchair|disabled son|upper floor|lift it|reach the upper|ground floor|buggy",
    "copy": "copy|copies|duplicate|send it again|resend|send again|another copy|lost my bill|reprint|again|misplaced"
    "|another one|lost|print it",
    "insurance": "insurance|health plan|coverage",
    "payment": "payment|payments|pay|pays|paying|cash|card|cards|credit card|debit|check|checks|apple pay|google pay"
    "|contactless|payment method|payment methods|tap|visa|mastercard|amex|american express|credit|wallet|phone"
    "|plastic|paypal|ways to pay|settle|swipe|cheque",
    "instalments": "instalments|installments|pay monthly|split the payment",
    "invoice": "invoice|invoices|bill|receipt|receipts|taxes|proof of purchase|accounting|statement|bookkeeping"
    "|accountant|paperwork|proof|threw away|expense|expenses|reimburse|claim|records|bookkeeper|pdf|tax return"
    "|company pays",
    "delivery": "deliver|delivery|delivered|deliveries|shipping|ship|shipped|ships|postage|mail|sent to my house"
    "|home delivery|my house|my home|my door|send it to me|courier|post it|sent to me|to my home|mail it|postman"
    "|brought home|bring it home|reach me|parcel|package|shipment|tracking|doorstep|my place|my apartment|on its way"
    "|bought from you|sent home|receive|to my address|ship to|shipping costs|get it by|arrive by|courier fee",
    "order": "order|ordered|orders|ordering|special order|order in|special request|ordered in|bring in|comes in"
    "|come in",
    "stock": "in stock|not in stock|out of stock|available|availability|on the shelf|get it for me|get a book in"
    "|order in|specially|special order|backorder|order it for me|order for me|order it in|do not carry|don t carry"
    "|shelves|shelf|get hold of|hold of|request|sold out|out of print|track down|hunt down|find me|hard to find"
    "|haven t got|isn t there|couldn t find|can t find|title|in store|another copy|carry it|rare|get it in"
    "|looking for|textbook|obscure|particular book|specific book|find a copy|get a copy of the book|special one"
    "|isn t in the store|couldn t find the book",
    "returns": "return|returns|returned|returning|refund|refunds|exchange|exchanges|bring back|bring it back"
    "|take it back|money back|return policy|send it back|book back|changed my mind|give it back|return something"
    "|send back|wrong book|take back|swap|already owned|already owns|already had|already has|duplicate"
    "|change my mind|don t like|doesn t like|didn t like|unwanted|give back|hand back|take something back|damaged"
    "|wrong one|regret|exchanged|swap it|doesn t fit|without the receipt|still return",
    "discount": "discount|discounts|money off|percent off|coupon|promotion|deal|how much off|cheaper|reduced|save"
    "|save money|pay less|price break|reduction|special price|anything cheaper|lower price|bargain",
    "student": "student|students|university|college|school|student card|student id|studying|campus|university id"
    "|degree|undergraduate|freshman|dorm|semester|my classes|education",
    "children": "child|children|kid|kids|son|daughter|little ones|little one|toddler|boy|girl|baby|family|families"
    "|toddlers|preschooler|grandkids|grandchildren|grandson|granddaughter|little girl|little boy|four year old"
    "|five year old|six year old|year old|for kids|youngest|nephew|niece|preschool|young ones",
    "event": "event|events|story hour|story time|storytime|reading|readings|activities|activity|workshop|read to"
    "|storytelling|story|stories|puppet|something fun|keep them busy|entertain|ticket for story|reading for kids"
    "|reading hour|storyteller",
    "club": "book club|reading group|reading club|book group|discussion group|discussion|readers|discuss|circle"
    "|members|group|talk about|get together|meet up|other readers|join",
    "cafe": "cafe|coffee|cafeteria|cake|cakes|tea|food|eat|drink|snack|snacks|pastry|pastries|lunch|espresso"
    "|something to eat|grab a bite|hungry|restaurant|bite|latte|cappuccino|drinks|drinking|sweets|sit down|grab a"
    "|thirsty|cookies|sandwich|breakfast|brunch|muffin|beverage|beverages|refreshments|warm up",
    "gift": "gift card|gift cards|gift|gifts|voucher|vouchers|present|gift certificate|birthday|store credit for"
    "|surprise|doesn t know what|don t know what to get|what to give|give her|give him|treat|token|gift token"
    "|present card",
    "expire": "expire|expires|expiry|expiration|valid|run out|good for|still good|still valid|years ago|expired"
    "|good until|how long is it good|out of date",
    "used": "used books|second hand|secondhand|old books|pre owned|preowned|buy used|buy my|buy books|sell books"
    "|sell my books|sell my|books to sell|trade in|to sell|sell you|get rid of|trade|resell|used|sell you my"
    "|collection|paperbacks|already read|i ve read|ve already read|pre loved|boxes|attic|clearing out|moving house"
    "|my own books|take my|worth|pay me|get for|finished with|finished|books i ve read|novels i ve|pay cash for"
    "|give me cash|trade them|books i don t need|take them off|used ones|old novels|old paperbacks",
    "pain": "pain|hurts|ache|toothache",
    "emergency": "emergency|urgent",
    "online": "online|website|app|email|internet",
    "pets": "dog|dogs|cat|cats|pet|pets|animal|puppy",
    "wifi": "wifi|wi fi|free internet|computer|computers|laptop|charge my phone|charger|outlet",
    "toilet": "toilet|toilets|restroom|restrooms|bathroom|washroom",
    "jobs": "hiring|job|jobs|apply|resume|vacancy|internship|work with you|work for you|employment|work there",
    "owner": "owner|manager|founder|founded|how long have you been|been in business|history of the shop",
    "branch": "branch|branches|another location|other location|other locations|other store|uptown|another store",
    "wrap": "wrap|wrapping|gift wrap|wrapped|ribbon",
    "overseas": "overseas|abroad|international|internationally|canada|brazil|europe|mexico|another country|countries"
    "|other countries|country",
    "music": "vinyl|records|cds|sheet music|piano|guitar|instrument|instruments",
    "media": "magazine|magazines|newspaper|newspapers|comics|manga|audiobook|audiobooks|e reader|e readers"
    "|electronic readers|ebook|ebooks|kindle|dvds|movies|games|board games|toys|puzzles|stationery|calendars"
    "|notebooks|pens",
    "tongue": "spanish|french|german|japanese|portuguese|chinese|foreign language",
    "author": "author|authors|signing|signings|signed|autograph|writer|sign my",
    "publishing": "publish|publisher|publishing|self published|manuscript|consignment|my own novel|my novel",
    "repair": "repair|repairs|fix|rebind|binding|restore|falling apart",
    "rental": "rent|rental|hire|borrow|lend|library|loan|wedding|party|venue",
    "loyalty": "loyalty|points|rewards|membership|member card|regulars|stamp card",
    "recommend": "recommend|recommendation|suggest|bestseller|best seller|popular|favorite|staff picks",
    "lost_found": "left my|umbrella|lost and found|forgot my|my scarf|my bag",
    "print": "print|printing|photocopy|photocopies|fax|scan|passport photo|translate|notary",
    "lessons": "teach|lessons|class|classes|course|courses|creative writing|tutoring",
    "seniors": "senior|seniors|over seventy|over sixty|elderly|retired|pensioner|pensioners",
    "groups": "teacher|teachers|military|veteran|veterans|nurses",
    "holiday": "christmas|thanksgiving|easter|holiday|holidays|new year|bank holiday|labor day|fourth of july",
    "social": "facebook|instagram|twitter|social media|newsletter",
    "odd_payment": "bitcoin|crypto|miles|airline miles",
    "donation": "donate|donation|donations|charity|hurricane",
    "comfort": "air conditioning|heating|swimming pool|pool|smoking area",
    "foreign": "weather|airport|police|gym|hotel|pizza|game last night|concert|passport|wine|uniform|uniforms"
    "|bicycle|password|glasses|spectacles",
    "robot": "robot|machine|recording|artificial intelligence",
    "bus": "bus|buses|bus stop",
    "playground": "playground|play area|toys corner",
    "currency": "euros|pounds|foreign currency|exchange rate",
    "drone": "drone|robot delivery",
    "goods": "beans|bookshelves|bookcase|furniture|stamps|candles|clothes|t shirts|posters|telescope",
    "valuation": "valuation|valuations|appraise|appraisal|auction",
    "advert": "advertise|flyer|flyers|window display|sponsor",
    "formats": "large print|braille|hardcover edition|first editions|first edition",
    "content": "plot|summary|ending|what is it about|prize|review|reviews",
    "seating": "reserve a table|table for|refill|refills|dress code|reading room",
    "private_life": "married|single|age of|born",
}
