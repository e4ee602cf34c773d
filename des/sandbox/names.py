"""The words the population is made of: given and family names by country, companies, and how phones look there."""

from typing import NamedTuple


class Region(NamedTuple):
    """Names as they are written in one country, and a phone number: digits for `#`."""

    country: str
    given: tuple[str, ...]
    family: tuple[str, ...]
    phone: str


REGIONS = (
    Region(
        "US",
        (
            "James",
            "Robert",
            "William",
            "Elizabeth",
            "Katherine",
            "Margaret",
            "Jennifer",
            "Michael",
            "Mary Ann",
            "Thomas",
        ),
        ("Smith", "Johnson", "O'Connor", "Garcia", "Van der Berg", "McKenzie", "Lee", "Smith-Jones", "Nguyen", "Baker"),
        "+1415555####",
    ),
    Region(
        "DE",
        ("Jürgen", "Björn", "Anna-Lena", "Käthe", "Matthias", "Sabine", "Heiko", "Zoë", "Annegret", "Uwe"),
        ("Müller", "Groß", "von Brandt", "Schäfer", "Özdemir", "Köhler", "Weiß", "Jäger", "Meyer-Lüdenscheid", "Kühn"),
        "+493023125###",
    ),
    Region(
        "FR",
        ("François", "Hélène", "Jean-Luc", "Zoé", "Benoît", "Océane", "Gaëlle", "Rémi", "Maëlys", "Loïc"),
        ("Lefèvre", "D'Aubigné", "Dupont", "de la Fontaine", "Gérard", "Béranger", "Côté", "Muñoz", "Noël", "Chrétien"),
        "+3319900####",
    ),
    Region(
        "GB",
        (
            "Oliver",
            "Siân",
            "Niamh",
            "Alastair",
            "Charlotte",
            "Christopher",
            "Alexandra",
            "Edward",
            "Philippa",
            "Samuel",
        ),
        (
            "Jones",
            "Mac Giolla",
            "Fitzgerald",
            "Singh",
            "Ní Bhriain",
            "Okafor",
            "Taylor",
            "Ashworth",
            "Hughes",
            "St John",
        ),
        "+442079460###",
    ),
    Region(
        "PL",
        ("Łukasz", "Małgorzata", "Wojciech", "Agnieszka", "Zbigniew", "Żaneta", "Paweł", "Grażyna", "Krzysztof", "Ewa"),
        ("Wójcik", "Kowalska", "Łęcki", "Dąbrowski", "Żukowska", "Nowak", "Śliwa", "Zając", "Grzyb", "Piątek"),
        "+48222000###",
    ),
    Region(
        "UA",
        ("Олександр", "Ганна", "Юлія", "Дмитро", "Світлана", "Микола", "Катерина", "Євген", "Ірина", "Тарас"),  # noqa: RUF001 (Cyrillic is meant)
        ("Шевченко", "Коваленко", "Бойко", "Ткаченко", "Кравчук", "Олійник", "Лисенко", "Мороз", "Поліщук", "Гриценко"),
        "+380442000###",
    ),
    Region(
        "GR",
        ("Γιώργος", "Μαρία", "Ελένη", "Δημήτρης", "Κωνσταντίνος", "Σοφία", "Αικατερίνη", "Νίκος", "Άννα", "Χρήστος"),
        (
            "Παπαδόπουλος",
            "Νικολάου",
            "Γεωργίου",
            "Οικονόμου",
            "Μακρής",
            "Αλεξίου",
            "Ιωάννου",
            "Βλάχος",
            "Λάμπρου",
            "Δήμου",
        ),
        "+302102000###",
    ),
    Region(
        "JP",
        ("太郎", "花子", "健一", "美咲", "さくら", "翔太", "陽子", "大輔", "直美", "誠"),
        ("山田", "佐藤", "鈴木", "高橋", "渡辺", "伊藤", "小林", "中村", "加藤", "吉田"),
        "+81352200###",
    ),
    Region(
        "IL",
        ("דוד", "שרה", "משה", "רחל", "יוסף", "נועה", "אברהם", "תמר", "יעל", "אורי"),
        ("כהן", "לוי", "מזרחי", "פרץ", "ביטון", "דהן", "אברהם", "פרידמן", "שפירא", "גולן"),
        "+97235000###",
    ),
)

NICKNAMES = {
    "James": "Jim",
    "Robert": "Bob",
    "William": "Bill",
    "Elizabeth": "Liz",
    "Katherine": "Kate",
    "Margaret": "Peggy",
    "Jennifer": "Jen",
    "Michael": "Mike",
    "Thomas": "Tom",
    "Christopher": "Chris",
    "Alexandra": "Sandra",
    "Edward": "Ted",
    "Samuel": "Sam",
    "Олександр": "Сашко",
    "Matthias": "Matze",
    "Wojciech": "Wojtek",
    "Κωνσταντίνος": "Κώστας",
}

COMPANY_FIRST = (
    "Nordwind", "Blue Harbor", "Crédit Local", "Żubr", "Kestrel", "Müller Bau", "Ferro", "Silverline", "Aurora",
    "Granite Peak", "Côte d'Or", "Sakura", "Helios", "Dnipro", "Tidewater", "Old Mill", "Quartz", "Red Maple",
    "Lighthouse", "Ørsted Bro",
)  # fmt: skip
COMPANY_TRADE = (
    "Logistics", "Software", "Foods", "Textiles", "Energy", "Robotics", "Insurance", "Media", "Pharma", "Tools",
    "Travel", "Glass", "Optics", "Seeds", "Marine", "Analytics",
)  # fmt: skip
COMPANY_FORM = {"US": "Inc.", "DE": "GmbH", "FR": "SAS", "GB": "Ltd", "PL": "Sp. z o.o.", "JP": "K.K."}

TITLES = ("Head of Sales", "Engineer", "Buyer", "Chief Financial Officer", "Product Manager", "Analyst", "Founder")
