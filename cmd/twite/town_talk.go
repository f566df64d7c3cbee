package main

// townTalk lists what is said about the sea, the weather, food and animals.
// " / " stands for a line break.
const townTalk = `
Low tide, {weather}, one {bird} on the slipway looking like it pays the rent.
The ferry leaves at {hour} today. The captain says sharp. The captain always says sharp.
{Weather} over the harbour this morning. The lighthouse and I are both squinting.
Somebody has tied the {boat} to a bench again. The bench is winning.
The {boat} is for sale. Floats, mostly. Comes with a bucket.
If your boat is called {boat}, your bailer is on my doorstep.
Rowed round the buoy before {hour}. {Weather} the whole way. Would do it again, but not today.
The fog is so thick that the foghorn sounds apologetic.
Harbour soup kitchen at {hour}: {soup}. Bring a bowl and a story.
A {animal} watched the whole of our rowing practice and left before the end.
The tide table on the notice board was last year’s. That explains {day}.
I asked the captain whether the ferry would run in this wind. The captain asked the wind.
Ferry report: {few} passengers, one {animal}, no complaints. The {animal} had a return ticket.
Left my hat on the ferry. It has now been across {few} times. It has seen more of the world than I have.
High water at {hour}. Please move your bicycles from {place}. Yes, yours too, @tadhg.
The new harbour railing is finished, and every {bird} in town has come to inspect it.
There is a {animal} in the fountain and nobody is willing to say how.
Learned a new knot today. Cannot get out of it. Will be at {place} until further notice.
The {boat} came back with {few} crates of mackerel and one very surprised octopus.
Found {lost} near {place}. It is on the railing, waiting.
Lost near {place}: {lost}. Sentimental value. The reward is {cake}.
Whoever lost {lost} at {place}: the {bird} has it now. I am sorry.
The weather forecast said {weather}. The window says {other weather}. I believe the window.
{Weather} until {hour}, then {other weather}, says @idris_k. Wash your sheets accordingly.
First {weather} of the season. The children are thrilled, the washing is not.
The barometer fell. Off the wall. Into the soup.
It is raining on {street} but not on Chapel Lane. I stood in the middle for a while, to be sure.
I own four umbrellas, and all of them are somewhere else.
Sun at last. Everyone on {street} is outside pretending they had something to do there.
Morning: {weather}. / Afternoon: {weather}, but with feeling.
The wind took my laundry to {place}. If you see a blue shirt, wave back.
Storm coming in tonight. Bring in your chairs, your geraniums and your uncles.
The wind has rearranged the letters outside the cinema. Tonight we are showing FOG BALD.
Frost on the harbour wall this morning, as thin as a secret.
A rainbow ended exactly on the recycling containers. Looked twice. Just bottles.
The bakery has {buns} until {hour}. After that it has crumbs and regret.
{Buns} fresh out of the oven. The queue is already as far as {street}.
@yewande, the {buns} today. I have no words, and my mouth is full.
Went out for bread, came home with {buns}. Third time this week.
Tried to bake {buns} at home. The smoke alarm sends its regards.
The secret of good {soup} is patience, my aunt says. And a second spoon, so you stop borrowing hers.
Made {soup} for four. There is one of me. Ask me about my week.
{Kin} says my {soup} needs salt. {Other kin} says it does not. I have left the kitchen.
There is {cake} on the table in the library staff room and no name on it. I am only human.
Baked {cake} for the choir. Brought home an empty tin and {few} requests.
The market has the good {plants} again. Third stall, ask for the small ones.
Somebody left {cake} on my doorstep. No note. I suspect everyone, warmly.
The coffee machine at the harbour office has learned to whistle. It knows only one note, but it means it.
Sunday lunch: {few} guests invited, {other few} came, nobody counted the children.
My grandmother’s recipe says “flour until it is right”. So far it has not been right.
The noodle stall is back on {day}. Follow the steam.
@linh-and-soup explained kelp to me for {few} minutes. I now have a favourite kelp.
Swapped {few} jars of honey for {thing}. Both sides believe they won.
Who wants {plants}? I have more than I have friends. Prove me wrong.
The jam on {street} has set. I repeat, the jam has set.
Opened the last jar of last year’s quince. Stood at the window with a spoon. Recommended.
The dough for the {buns} has doubled, and so has my self-esteem.
The bakery cat sat in the flour and left a map of everywhere it went.
There is a new tea in the corner shop called “Strong”. It is not lying.
Ate breakfast at {place}. So did a {bird}. Same breakfast.
{dog} has eaten the shopping list. We are having whatever {dog} remembers.
{dog} met a {animal} on {street}. Both went home to think about it.
If you find a brown dog called {dog}: open the door and say “cheese”.
{dog} has learned to open the fridge. We have learned to eat faster.
{dog} is {age} today! Celebrations at {place} at {hour}. Sausages will be served.
Walked {dog} along the beach for an hour. Was introduced to everyone as “{dog} and company”.
On {street}, {dog} barked at the lighthouse again. The lighthouse did not blink. Well, it did.
The vet says {dog} is not fat, just very well liked.
{dog} rolled in something on the beach. The whole of {street} is invited not to visit.
{dog} brought home {lost}. It is drying on the radiator. Collect it any time.
Dog swimming lessons on {day} at {hour}. {dog} will be teaching. No refunds.
Today {dog} waited outside the bakery for {few} minutes without singing. A record.
A {bird} has moved into the gutter above the post office. Letters are late, but the mood is good.
The {bird} on {place} is back. I said hello. It said something shorter.
A {bird} stole {buns} straight out of my hand and had the nerve to look disappointed.
Counted birds this morning: forty gulls, {few} turnstones, one {bird} that was counting us.
Index the library cat has been promoted to Head of Silence.
Index is asleep on the large atlas. Asia is closed until further notice.
Somebody has knitted a scarf for the {bird} on the weather vane. Respect for the ladder work.
The goose at the duck pond answers to “Admiral”. It does not take orders.
The Admiral chased a cyclist to the town line today and came back walking. What poise.
A {animal} crossed {street} at {hour} and used the zebra crossing. A better citizen than most of us.
There is a {animal} in my shed. I knocked before I went in. It did not.
The swallows are back! Same beam, same barn, same opinions.
Bees: very well. Beekeeper: stung on the elbow. Honey: soon.
The {animal} in our garden now has a name, which means we can never move the compost heap.
Three hens escaped on {street}. Two came home. The third has joined the choir’s open-air rehearsal.
Watched the starlings above {place} at dusk. Nobody said anything, and {kin} never says nothing.
My cat brought me a fish. We live up {few} flights of stairs. I have questions.
The {plants} are in the ground. Now we wait, and glare at the pigeons.
My {plants} have been eaten. Not by me. The slugs send their compliments.
Harvested my {plants} today. All one of them.
Garden news: {plants} thriving, {other plants} sulking, gardener muddy.
Talked to the {plants} for {few} minutes. They grew. Talked to {kin} for {other few} minutes. Less so.
Free to a good home: {plants}. Too many of them, and they have begun to look at me.
The scarecrow on allotment 14 got {few} birthday cards. Nobody knows who started it.
Planted bulbs in the pouring rain. Future me, you are welcome.
The big pumpkin has now been measured by {few} different people. It is the same pumpkin.
{Kin} waters the garden every evening, in the rain as well. It is about principle.
Someone has put tiny doors on all the trees along {street}. The one on the oak is open a crack.
Seed swap at {place}, {day} at {hour}. I bring {plants}, you bring the gossip.
Good morning, harbour. / Good morning, {bird}. No, this is my sandwich.
The compost is steaming. @marisol-mends says that is normal. I have named it Vesuvio anyway.
The apples are ripe on {street}. The ones over the wall belong to whoever is tall enough.
The wheelbarrow race ended in a draw, a ditch and a friendship.
My sunflower is taller than {kin}. There was a ceremony.
Met a man on the pier who has caught the same fish {few} times. They seem close.
Sea temperature today: eleven degrees. Swimmers’ mood: also eleven degrees.
Early swim at {place}. The water was cold, the tea was hot, the company was {few} strangers and {dog}.
Moon over the harbour tonight, large as a promise. Go and look.
Sunset at {place}: orange, then pink, then everyone suddenly remembered dinner.
Clear sky tonight! Telescope at {place} from {hour}. Saturn if we are lucky, ships’ lights if we are not.
The lighthouse needs {few} volunteers and {tool}. Nice view, many steps. @nell_trewhella knows more.
Two hundred and eleven steps up the lighthouse. I counted. On step two hundred and twelve I fell over.
Every evening the lighthouse winks at me. I have started to wink back.
The {boat} has been painted green. By accident, but all of it.
Tide is out. You can walk almost to the sandbank, and then briskly back.
Wrote my name in the sand. The sea had notes.
Message in a bottle on the beach! It says: “Please return the bottle.”
Beach clean on {day} at {hour}, meet at {place}. Gloves for everyone, {buns} for those who stay.
Picked up rubbish on the beach with class 3. Best find: {lost}. Best question: “Does the sea have a bottom drawer?”
My neighbour has built a boat in the living room. Nobody has mentioned the door.
{Few} swimmers, one thermos, {weather}. It was a good meeting.
The captain of the {boat} waved at {dog}. Only at {dog}.
{Kin} rowed to {rival} and back in the {boat}. For {buns}. They were sold out.
The {boat} and the {other boat} both claim the right of way. It is a pond.
If the {bird} stands on one leg before {hour}, there will be {weather}. Says {kin}.
The {bird} at {place} has learned to ring the bell for the ferry. @captain-hinnerk is not amused.
{Who} promised {weather} for {day}. I have already hung up the hammock.
{Weather}, a flask of {soup} and a bench at {place}. Who needs abroad?
Walked from {place} to {other place} in {weather}. Met nobody, greeted everybody.
{Dog} against the tide, round {few}: the tide is ahead on points.
{Dog} and {other dog} are in love. There will be a small reception at {place}.
Breakfast: {buns}. Lunch: {buns}. It has been that sort of {day}.
The {buns} were meant for {kin}. The {buns} were, however, warm.
{Kin} traded the recipe for {soup} for {tool}. History will judge.
Help wanted at the bakery on {day}, from {hour}. Payment in money and {buns}.
The {animal} under our porch has had a better {day} than any of us.
Saw a {animal} and a {bird} share a bench at {place}. There is hope.
Wanted: a name for a {animal}. {Kin} suggests “{dog}”, but that is taken, loudly.
Night walk past {place}: {few} stars, one {animal}, no hurry. 🌙
Tides for {day}: https://example.net/tides #tides
Ferry timetable for the holidays is out: https://example.org/ferry Bring a book, for example {book}.
The {plants} survived the {weather}. I did too, in case anyone was wondering.
{Kin} sings to the {plants}. They lean towards the other window.
Gave {who} a bag of {plants}. Got a bag of {other plants} back. The circle is complete.
Made {cake} with the {plants} from the allotment. Tastes brave.
#recipe for {soup}: start early, invite {kin}, hide the good bread.
`
