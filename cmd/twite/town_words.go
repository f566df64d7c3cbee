package main

// townWords lists what may stand in each slot of a line.
const townWords = `
dog: Biscuit | Pfeffer | Mochi | Waffle | Lola | Pickle | Suleika | Bruno | Dumpling | Miso | Kapusta | Tango | Frau Schmidt | Bagel | Pirate | Halva | Sultan | Noodle | Matilda
day: Monday | Tuesday | Wednesday | Thursday | Friday | Saturday | Sunday
hour: six | half past six | seven | ten to eight | nine | half past ten | noon | two | quarter to four | five
few: three | four | five | six | seven | eight | nine | ten | eleven | twelve
n: 3 | 4 | 5 | 6 | 7 | 8 | 9
buns: cardamom buns | poppy seed rolls | cheese twists | almond crescents | walnut rolls | sesame rings | raisin buns | fig rolls | pretzels | honey cakes | plum turnovers
cake: a plum cake | a lemon tart | a marble cake | a honey cake | an apple strudel | a rhubarb crumble | a carrot cake | a tray of baklava | a poppy seed cake | a coconut loaf
place: the pier | the old customs house | the fish market | the bandstand | the slipway | the ferry landing | the library steps | the harbour wall | the lighthouse | the duck pond | the boathouse | the old crane
street: Herring Lane | Cooper’s Row | Salt Street | Gull Steps | Ropewalk | Chapel Hill | Upper Quay | Anchor Yard | Lamp Lane | Tar Alley | Nettle Row
thing: a toaster | a music box | an umbrella | a sewing machine | a cuckoo clock | a bicycle pump | a typewriter | a waffle iron | an accordion | a desk lamp | a tin robot | a hair dryer
weather: drizzle | fog | sideways rain | thin sunshine | hail | stiff north-westerlies | warm rain | low cloud | flat calm | mist with ambitions
rival: Upper Gannet | Kelpiesund | Marrowick | Dornbucht | Eelness | Port Tansy | Skerrivale | Nettlehythe | Little Oxbow | Great Oxbow
loss: 1–0 | 2–0 | 3–1 | 4–0 | 4–2 | 5–1 | 6–3 | 7–0
plants: tomatoes | courgettes | beans | sweet peas | sunflowers | potatoes | strawberries | radishes | dahlias | pumpkins
bird: heron | cormorant | herring gull | curlew | goose | puffin | tern | jackdaw | swan | turnstone | magpie | kittiwake
book: “Tides for Beginners” | “The Widow’s Kayak” | “A Brief History of Knots” | “Nine Winters on Skerry Rock” | “The Marmalade Inheritance” | “Moss” | “Owls and Other Neighbours” | “The Lamp Trimmer’s Son”
film: “The Last Ferry Home” | “Two Left Oars” | “A Donkey in Winter” | “Midnight at the Fish Counter” | “The Quiet Accordion” | “Letters from Platform Nine” | “Fog, Actually”
boat: Tante Frieda | Second Breakfast | Gülbahar | Patience | No Refunds | Halcyon | Little Thunder | Dragomira
soup: lentil soup | fish soup | beetroot soup | pea soup | miso soup | pepper soup | leek and potato soup | chicken broth
lost: one red glove | a striped scarf | a child’s left boot | a set of bicycle keys | half a tuba | a hat with a feather | a very small raincoat | a pair of reading glasses
kin: my grandmother | my neighbour | my brother | my aunt | my daughter | my father-in-law | the woman upstairs | my oldest friend | my uncle | the new tenant | my sister
age: four | five | six | seven
song: the sea shanty | the lullaby | the round | the one with the whistling | the slow one in Latin | the one about the herring | the wedding song
animal: hedgehog | seal | fox | toad | stray cat | crab | pigeon | bat
tool: the big ladder | the good wheelbarrow | the left-handed saw | the cake tin | the drill | the extension lead | the tall stepladder
chore: paint the fence | descale the kettle | ring the dentist | answer three letters | sort the button drawer | clean the gutters | defrost the freezer
tag: #harbour | #sandwhistle | #smalltownlife | #goodnews | #neighbours | #seaside
tail: I checked twice. | Pass it on. | Good morning, anyway. | More at high tide. | That is the whole story. | No further questions. | Make of that what you will. | I regret nothing. | Tea is ready. | #smalltownlife | #sandwhistle | 🌊 | 🙂 | ☕ | It was worth it. | I have witnesses. | Everyone is fine. | Ask anyone. | You heard it here first. | Life is good. | Back to work. | Thank you for listening. | I took notes. | Not complaining. | The cat agrees. | Details on request. | Only in Sandwhistle. | We laughed a lot. | I am still smiling. | Wish me luck. | What a week. | So that was that. | 🥐 | 🌧️ | 🌻 | 🐟 | #goodnews | #harbour
website: https://example.org/ | https://example.com/ | https://example.net/
badge: 🌻 | ⛵ | 🐟 | 🌿 | ☕ | 🚲 | 🐕 | 🧶
doing: bakes | knits | rows | sings | gardens | paints | sails | reads | swims | whittles | cycles | mends | stargazes | forages | juggles | dances
being: sunny | salty | sleepy | merry | windy | busy | rainy | curious | quiet | hungry | early | late | cheerful | barefoot | jolly | dreamy
`

// townBios lists what people say about themselves, within 160 code points.
const townBios = `
{Doing} in the evening, works at {place} by day.
Here for the weather reports and the dogs.
Owner of {dog}. Or the other way round.
I {chore} so that you do not have to.
Moved here for a year, {few} years ago.
Born on {street}, raised on {soup}.
Second tenor. Third row. First at the buffet.
Part-time gardener, full-time optimist. The {plants} disagree.
Sailing the {boat} when it floats, mending it when it does not.
FC Sandwhistle supporter. Please be gentle.
Retired. Busier than ever. Do not ask me to {chore}.
I bake. My speciality is {cake}, and eating it.
Teacher at the primary school. I can hear you whispering.
Nurse on nights. If I say good morning at ten in the evening, I mean it.
Looking for {lost}. Last seen near {place}.
Three children, {few} bicycles, one pump.
I read the last page first. Currently: {book}.
Carpenter. Yes, I can have a look at your drawer.
Photographs of one {bird}, taken over many years.
Quietly restoring {thing} since the spring before last.
Likes: tide tables. Dislikes: surprises.
Mostly {weather}.
Harbour office, window two. Window one is for parking.
Bus driver. Line 1. There is no line 2.
Cheese, chess, choir. In that order.
Bees on the roof, honey on the step.
I speak four languages and apologise in all of them.
Amateur astronomer in a town full of fog.
Student. Currently avoiding an essay about herring.
Human of {dog}, who is {age} and has never caught a {animal}.
Plumber by trade, trumpeter by conviction. The neighbours prefer the trade.
Swims all year. Talks about it all year as well.
Founder and only member of the Society for Slightly Crooked Fences.
Everything I know about boats I learned by falling out of them.
Grandmother of nine. Winner of the marrow contest, 2011. Still talking about it.
I draw maps of places you can walk to before lunch.
Allotment {n}. The one with the scarecrow that looks like the mayor.
Tuba. Sorry.
Fixes clocks. Frequently late.
Vet. Your {animal} is fine. You, on the other hand, should sit down.
Radio amateur. Over.
Likes long walks to the bakery and short walks back.
Owns {tool}. Lends {tool}. Waits.
Painter of small pictures of large waves.
If found, please return to {place}.
Half of a tandem. The front half.
Collects tide tables and unfinished stories.
Waiting for {film} to come back to the Lantern.
Keeper of the good scissors.
Runs every morning, mostly from {dog}.
Cook. {Soup} on Mondays, applause on Tuesdays.
Bass in the choir, alto at heart.
Customs officer. Nothing to declare.
Grew up in {rival}. We do not talk about it.
Pharmacist. I have seen your elbow. You know who you are.
Author of a novel in progress, since {few} winters.
Beekeeper, baker, occasional Father Christmas.
Goes to bed early and means it.
Engineer by training, sandcastle builder by choice.
Midwife. I knew half of you before you had hair.
Plays {song} on any instrument you hand over.
Here to learn the names of the birds. So far: {bird}.
Not from here, but the {plants} are.
Tea first.
Electrician. Shockingly punctual.
Hobby historian. Ask me about the Great Herring of {street}.
Dad of two, dog of one: {dog}.
I came for the ferry and missed it.
`

// townLanguages lists what is said in other languages than English.
const townLanguages = `
Moin! Die Fähre fährt heute erst um {n}. Der Kapitän sucht noch seine Mütze.
Auf der Tagesordnung: die Hafenrundfahrtsfahrscheinautomatenaufstellungsgenehmigung. Dauert länger.
Der Strandkorbvermietungsschlüssel hängt wieder am Haken. Wer immer es war: danke!
Zum Abendbrot Bratkartoffeln, zum Nachtisch Sonnenuntergang. 🌅
{dog} hat den Kuchen gefressen. Den ganzen. Wer kann bis morgen backen?
Bugün deniz çarşaf gibi. Çayı kaptım, iskeledeyim.
Komşum bana yine kabak getirdi. Bu yaz {n}. kabak. İmdat!
{who} simitler harika olmuş, ellerine sağlık!
مساء الخير يا جيران! القهوة جاهزة والباب مفتوح. ☕
ضاعت قطتي البيضاء قرب المكتبة. اسمها لؤلؤة وتحب السمك كثيرا.
هل يعرف أحد متى يصل مركب السمك غدا؟
今日の海はとても静か。パン屋の前でねこが寝ています。
図書館で{n}時間。読んだのは三ページ。よく寝ました。
{who} さん、昨日のスープのレシピを教えてください！
Ẹ káàárọ̀ o! Búrẹ́dì ti jáde láti inú ààrò, ẹ máa bọ̀.
Òjò ń rọ̀, ṣùgbọ́n inú mi dùn.
Ktoś zostawił parasol w bibliotece. Jest żółty i wygląda na smutny.
Mecz przegrany, ale pierogi wygrane. Zapraszam wszystkich na {street}.
Znowu mgła. Latarnia mruga, a ja piję herbatę i też mrugam.
Hoy el mar está de buen humor. Yo también, después del segundo café.
¿Alguien ha visto una bufanda azul? La perdí bailando en la plaza.
{who}, ¿a qué hora empieza el ensayo? Llevo la tarta.
O gato da biblioteca dormiu em cima do meu livro. Fiquei à espera {n} horas.
Maré baixa, café cheio, vida boa.
Chào buổi sáng! Hôm nay có phở, ai đến sớm thì được thêm hành.
Trời mưa cả ngày, con mèo và tôi cùng nhìn ra cửa sổ.
Καλημέρα από το λιμάνι! Ο ήλιος βγήκε για πέντε λεπτά και το γιορτάζουμε.
Сьогодні на городі виросла найбільша морква вулиці. Їсти шкода.
Доброго ранку! Чайки вкрали мій сніданок, але не настрій.
आज बारिश है, तो पकौड़े तो बनेंगे ही। सब आ जाओ!
오늘 바다는 조용하고 강아지는 시끄러워요. 🐕
Bonjour le port ! Le brouillard a mangé le phare, mais la boulangerie est ouverte.
Havet er stille i dag. Det er min nabo ikke.
Maakye o! Today the jollof is on me, and a little of it is on the ceiling.
Hôm nay tôi học được {n} từ mới. Từ nào cũng là tên cá.
`
