"""English."""

from typing import Final

from base.languages.words import Intents, Language, Texts, numerals, phrases, vocabulary

ENGLISH: Final = Language(
    tag="en",
    texts=Texts(
        greeting="Hello! You have reached {company}. I am the virtual assistant. How can I help you?",
        farewell="Thank you for calling. Goodbye!",
        reprompt="Are you still there? How can I help you?",
        not_understood="Sorry, I did not understand. Could you say that again, please?",
        unanswerable="Sorry, I do not have that information. To speak with a person, please say operator.",
        confirm="Just to be sure, are you asking: {question}",
        operator="All right, I will pass your call to a person. One moment, please.",
        operator_away="I am sorry, nobody can take your call at the moment. Can I help you with anything else?",
        back="You are back with the virtual assistant. Is there anything else I can help you with?",
        anything_else="Is there anything else I can help you with?",
        failure="I am sorry, I have a technical problem. One moment, please.",
        hold="Just a moment, please.",
        limit="We have reached the time limit for this call. Thank you for calling. Goodbye!",
    ),
    intents=Intents(
        greeting=phrases("""
            hi, hello, hey, hi there, hello there, hey there, good morning, good afternoon, good evening
            hi good morning, hello good morning, hi good afternoon, hello good afternoon, how are you
            hi how are you, hello how are you, how are you doing, good day, is anyone there, can you hear me
            is anybody there, hello can you hear me, hello is anyone there
        """),
        repeat=phrases("""
            repeat, repeat that, repeat that please, please repeat, can you repeat, can you repeat that
            can you repeat that please, could you repeat that, could you repeat that please, could you repeat
            could you please repeat that, can you please repeat that, say that again, say it again
            can you say that again, could you say that again, can you say that again please
            could you say that again please, come again, again, once more, one more time, pardon, pardon me
            excuse me, sorry, what, what was that, what did you say, i did not hear, i did not hear that
            i did not hear you, i didn't hear, i didn't hear that, i didn't hear you, i didn't catch that
            i did not catch that, i didn't get that, i did not get that, i didn't understand
            i did not understand, i don't understand, sorry i didn't catch that, sorry i didn't hear you
            can you speak slower, speak slower, slower please, huh
        """),
        operator=phrases("""
            operator, agent, human, a human, person, a person, real person, a real person, representative
            receptionist, reception, attendant, front desk, the front desk, someone, somebody
            talk to someone, talk to somebody, talk to a person, talk to a human, talk to an agent
            talk to an operator, talk to a real person, talk to the receptionist
            speak to someone, speak to somebody, speak to a person, speak to a human, speak to an agent
            speak to an operator, speak to a real person, speak to a representative
            speak with someone, speak with a person, speak with a human, speak with an agent
            speak with an operator, speak with a real person, speak with a representative
            i want to talk to someone, i want to talk to a person, i want to talk to a human
            i want to talk to an agent, i want to talk to an operator, i want to talk to a real person
            i want to speak to someone, i want to speak to a person, i want to speak to a human
            i want to speak to an agent, i want to speak to an operator, i want to speak with someone
            i want to speak with a person, i want to speak to a real person
            i would like to talk to someone, i would like to talk to a person, i would like to talk to a human
            i would like to speak to someone, i would like to speak to a person, i would like to speak to a human
            i would like to speak with someone, i would like to speak with a person
            i would like to speak to an operator, i would like to speak to a representative
            i'd like to talk to someone, i'd like to talk to a person, i'd like to talk to a human
            i'd like to speak to someone, i'd like to speak to a person, i'd like to speak to a human
            i'd like to speak with someone, i'd like to speak with a person
            i need to talk to someone, i need to speak to someone, i need to talk to a person
            i need to speak to a person, i need a person, i need a human
            can i talk to someone, can i talk to a person, can i talk to a human, can i talk to an operator
            can i speak to someone, can i speak to a person, can i speak to a human, can i speak to an operator
            can i speak with someone, can i speak with a person, could i speak to someone
            could i speak to a person, could i talk to someone, could i speak with someone
            transfer me, put me through, connect me to someone, connect me to a person, connect me to an operator
            transfer me to someone, transfer me to a person, transfer me to an operator, transfer me to an agent
            connect me to an agent, put me through to someone, put me through to a person
        """),
        goodbye=phrases("""
            bye, bye bye, goodbye, good bye, see you, see you later, talk to you later, take care
            have a good day, have a nice day, have a great day, thanks bye, thank you bye, ok bye, okay bye
            thank you goodbye, thanks goodbye, all right bye, alright bye, that's all, that is all
            that's it, that is it, that will be all, that'll be all, that was all, that's all thanks
            that's all thank you, that is all thank you, that's it thanks, that's it thank you, nothing else
            no nothing else, no that's all, no that is all, no that's it, no that's all thanks
            no that's all thank you, no thanks, no thank you, no i'm good, i'm good thanks, i'm fine thanks
            no i'm fine thank you, i'm done, i am done, we're done, hang up, you can hang up, end the call
            end call, no more questions, cheers bye, nothing, that's everything, that is everything
        """),
        yes=phrases("""
            yes, yeah, yep, yup, sure, of course, please, yes please, ok, okay, all right, alright, correct
            right, that's right, that is right, exactly, absolutely, definitely, uh huh, mm hmm, go ahead
            please do, sounds good, fine, yes i do, yes i would, i do, affirmative, perfect, great
        """),
        no=phrases("""
            no, nope, nah, not now, not really, no way, negative, that's wrong, that is wrong, wrong
            i don't, i do not, no i don't, not yet, never, that's not it, no sir, no ma'am
        """),
        thanks=phrases("""
            thanks, thank you, thank you very much, thanks a lot, thank you so much, many thanks, cheers
            ok thanks, okay thanks, ok thank you, okay thank you, great thanks, great thank you
            perfect thank you, perfect thanks, all right thank you, alright thanks, much appreciated
            i appreciate it, wonderful thank you
        """),
        backchannel=phrases("""
            uh huh, mm hmm, mm, mhm, hmm, hm, ok, okay, right, yeah, yes, sure, i see, got it, ah, oh, alright
            mmm, mmhmm, uhum, um hum, uh hum, hum, aha, ah huh, uh, um, yep, yup, all right
        """),
        around=phrases("""
            please, well, so, um, uh, hmm, oh, ah, hi, hello, hey, ok, okay, all right, alright, right, now
            good morning, good afternoon, good evening, actually, just, sir, ma'am, and, but, then, thanks
            thank you, i think, i guess, sorry, excuse me, yeah, great, perfect
        """),
    ),
    stop_words=vocabulary("""
        a about above after again all am an and any are as at be because been before being below between both
        but by can could did do does doing down during each few for from further get had has have having he her
        here hers him his how i if in into is it its just let like me more most my no nor not of off on once
        only or other our ours out over own please same she should so some such tell than that the their theirs
        them then there these they this those through to too under until up us very want was we were what when
        where which while who whom why will with would you your yours
        d ll m re s t ve don didn doesn isn aren wasn know need hello hi hey good morning afternoon evening thanks
        thank okay ok much many am give say talk ask question
    """),
    digits=numerals("""
        0 zero oh nought
        1 one
        2 two
        3 three
        4 four
        5 five
        6 six
        7 seven
        8 eight
        9 nine
    """),
    fillers=("Just a moment, please.", "Let me check that.", "I am looking into it."),
)
