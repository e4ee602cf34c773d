"""What stands around a name without being part of it, and names that are known to be one: closed public tables.

Everything is lower-case ASCII, as `names` leaves a token, but for the forms of scripts that are not transliterated.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TITLES = _words("""
mr mrs ms miss mx dr prof professor sir dame rev fr hon capt col lt maj gen sgt herr frau hr fru mme mlle sr
sra srta dott ing dipl mag doc mgr judr mudr rndr phdr
""")
"""Stripped from the front of a name as long as something is left."""

DEGREES = _words("""
phd md mba msc bsc mphil dphil jd llm llb llp esq cpa cfa cfp pmp cissp dds dvm rn pe phr sphr shrm facs
mbbs frcs obe cbe mbe ret csm
""")
"""Stripped from the end of a name. Those that are surnames as well (Ma, Ba, Do) are not among them."""

GENERATIONS = {"jr": "jr", "junior": "jr", "sr": "sr", "senior": "sr", "ii": "ii", "iii": "iii", "iv": "iv"}
"""They tell a father from his son, so a name keeps them, in one spelling; fuzzy comparison forgives a missing one."""

HONORIFICS = ("先生", "さん", "様", "님", "씨")
"""Stripped from the end of a name in Han, Kana or Hangul."""

PARTICLES = _words("""
al ap ben bin bint da dal das de degli dei del della den der di do dos du el la las le les lo los mac st ten
ter van vande vander vom von y zu zum zur
""")
"""Begin a surname of several words: Maria | de la Cruz."""

LEGAL_FORMS = _words("""
inc incorporated corp corporation co company llc llp lp pllc plc ltd limited pty ptyltd pte pteltd pvt
pvtltd gmbh mbh ggmbh ag kg kgaa ohg gbr ug ev eg se gmbhandcokg gmbhcokg sa sas sarl sasu sl slu srl srls
spa snc scs sagl nv bv vof cv ab hb oy oyj as asa aps ivs is ou uab sia spzoo spj spk ska doo dd ad ead eood
ood kft zrt nyrt bt sro spolsro ltda eireli me epp sab sabdecv sadecv sdecv decv kk gk yk bhd sdnbhd tbk pt
fze fzco fzllc dmcc ooo oao zao pao ao ip tov anonimsirketi sti ltdsti ae epe ike cyf
""")
"""What a company is before the law, squashed to letters; stripped from the end of its name, several in a row."""

LEGAL_FRONTS = _words("the ooo oao zao pao ao tov pt")
"""Stripped from the front of a company's name."""

LEGAL_MARKS = (
    "株式会社",
    "有限会社",
    "合同会社",
    "股份有限公司",
    "有限公司",
    "주식회사",
    "유한회사",
    "(株)",
    "(주)",
    "(有)",
)
"""Legal forms in scripts that write no spaces; stripped wherever they stand."""

GENERIC_WORDS = _words("""
and group holding holdings international global worldwide technology technologies tech solutions services
service systems software labs lab consulting partners ventures enterprises industries digital media online
""")
"""Words that a company's name is written with or without; only fuzzy comparison leaves them out."""

FREE_MAIL = _words("""
gmail.com googlemail.com yahoo.com yahoo.co.uk yahoo.fr yahoo.de ymail.com hotmail.com hotmail.co.uk
hotmail.fr outlook.com live.com msn.com icloud.com me.com mac.com aol.com gmx.de gmx.net gmx.com web.de
t-online.de mail.com mail.ru yandex.ru yandex.com proton.me protonmail.com pm.me zoho.com qq.com 163.com
126.com sina.com naver.com daum.net hanmail.net free.fr orange.fr wanadoo.fr laposte.net libero.it
virgilio.it seznam.cz wp.pl o2.pl interia.pl comcast.net verizon.net att.net sbcglobal.net cox.net
fastmail.com hey.com rediffmail.com uol.com.br bol.com.br terra.com.br
""")
"""Hosts whose addresses say nothing about where somebody works (each names itself a public mail service)."""

_NICKNAME_GROUPS = """
abigail abby gail|albert al bert|alexander alex alec sasha xander|alexandra alex sandra sasha alexa
alfred al fred alfie|amanda mandy|andrew andy drew|andreas andi|angela angie|anthony tony|antonio tony toni
arthur art|barbara barb babs|benjamin ben benny|bernard bernie|bradley brad|calvin cal|cameron cam
carolyn carol carrie|catherine cathy kate katie cat|charles charlie chuck chas|charlotte charlie lottie
christina chris tina christy|christine chris tina chrissy|christopher chris kit topher|cynthia cindy
daniel dan danny|david dave davey|deborah deb debbie debra|dennis denny|dmitry dima dmitri dmitriy
donald don donnie|dorothy dot dottie|douglas doug|edward ed eddie ned ted teddy
elizabeth liz beth betty lizzie eliza libby lisa|emily em emmy|eugene gene|evelyn eve|frances fran
francis frank fran|francisco paco pancho|franklin frank|frederick fred freddie rick|gabriel gabe
geoffrey geoff jeff|george georgie|gerald gerry jerry|gregory greg|guillermo memo|harold harry hal
heather heath|helen nell|henry harry hank|herbert herb bert|ignacio nacho|isabella bella izzy|ivan vanya
jacob jake|jacqueline jackie|james jim jimmy jamie|janet jan|jason jay|jeffrey jeff geoff|jennifer jen jenny
jeremy jerry|jessica jess jessie|johann hans|johannes hans|john jack johnny jon|jonathan jon jonny nathan
jose pepe|joseph joe joey|josephine jo josie|joshua josh|juliana julie|judith judy
katherine kate katie kathy kat kathryn|kenneth ken kenny|kimberly kim|konstantin kostya
lawrence larry laurence|leonard leo len lenny|louis lou louie|lucas luke|manuel manny manolo
margaret maggie meg peggy marge greta|maria mia|martin marty|matthew matt|maximilian max|megan meg
melissa mel missy|michael mike mick mickey|mikhail misha|mitchell mitch|nancy nan|natalia natasha
nathan nate|nathaniel nate nat|nicholas nick nico nicolas|nikolai kolya|oliver ollie|pamela pam
patricia pat patty tricia trish|patrick pat paddy|peter pete|philip phil phillip|rachel rae|raymond ray
rebecca becky becca|richard rick dick rich richie|robert bob rob bobby robbie|roberto beto|ronald ron ronnie
rosemary rose|russell russ|samantha sam|samuel sam sammy|sandra sandy|sergei sergey seryozha|stanley stan
stephanie steph|stephen steve steven|stefan steffen|susan sue susie|terence terry|teresa terry tess theresa
theodore ted teddy theo|thomas tom tommy|timothy tim|valentina valya|victor vic|victoria vicky tori
vincent vince vinny|vladimir vova volodya|walter walt|wesley wes|wilhelm willi|william bill will billy liam
zachary zach zack
"""


def _alternatives() -> dict[str, frozenset[str]]:
    known: dict[str, set[str]] = {}
    for group in _NICKNAME_GROUPS.strip().replace("|", "\n").splitlines():
        names = group.split()
        known.setdefault(names[0], set()).update(names[1:])
        for short in names[1:]:
            known.setdefault(short, set()).add(names[0])
    return {name: frozenset(others - {name}) for name, others in known.items()}


NICKNAMES = _alternatives()
"""First name → names the same person may go by. Not transitive: Al is Albert or Alfred, Albert is not Alfred."""
