package main

// townGossip lists what is said about the town, its clubs and its people.
const townGossip = `
FC Sandwhistle lost {loss} against {rival}. We had the better songs.
{loss} against {rival}. Our goalkeeper touched the ball more often than ever before. Mostly fetching it.
Final score in {rival}: {loss}. The bus sang all the way home. You would think we had won the league.
We drew against {rival}! 0–0! There is dancing on {street}!
Half-time: {loss} to {rival}. The sausages are excellent.
Match postponed: {weather} on the pitch and a {bird} in the goal. Our best defence this year.
Training on {day} at {hour}. We will practise the thing with the ball.
@Zbyszek1 saved a penalty in training. There are {few} witnesses and a drawing.
FC Sandwhistle is looking for a striker. Also a left back. Also a ball, last seen heading for {rival}.
The referee apologised to us afterwards. For everything, he said. {loss}. #football
My {age}-year-old asked why we cheer when the others score. Practice, I said.
The team’s new shirts are here. They have been washed once and are now the youth team’s new shirts.
We lost {loss}, but their coach asked for the recipe of our half-time {soup}. So who won?
Choir tonight at {hour}. We are doing {song} until it stops hurting.
The altos came in early, the basses came in late, and somewhere in between was {song}.
We sang {song} at the bandstand. Two people stopped. One of them was {kin}.
The choir needs tenors. If you can hold a note or a door, come on {day}. https://example.org/choir
Oma Gerda held the last note of {song} so long that the caretaker went round her with the lights.
The brass band is practising on {street}. Not one window is open. Not one.
Tuba for sale, hardly loved. Ask any neighbour.
{Kin} has been humming {song} since {day}. Send help, or the second verse.
The street musician at {place} knows three songs and plays four.
Tonight at the Lantern: {film}. Bring a cushion, the front row is having feelings again.
Saw {film} at the Lantern. I cried at the end, and so did the projector.
{film} was sold out! All forty-two seats! @ayse_lumen bowed twice.
The Lantern is showing {film} again because somebody asked nicely. It was {kin}. #cinema
Fell asleep during {film} and woke up during {other film}. Double bill. Lovely evening.
The popcorn machine at the Lantern went off in the quiet scene. Best performance of the night.
I will not say how {film} ends. I will say that I walked home by way of the sea.
Library: {book} is back. It has been to {rival}, by the look of the sand.
Has anyone finished {book}? I need to talk about the aunt.
Stayed up until three with {book}. {Kin} knows from my face who did it.
Returned {book} {few} years late. @haruka gave me a look and then a biscuit.
Found a bus ticket from 1974 in {book}. Somebody stopped at page {n}1. I hope they were happy.
The library is warm, dry, free, and has a cat. I do not know what else you people want.
Reading hour for the little ones on {day} at {hour}. Last time they asked for the dragon to win. It did.
Book club picked {book}. Two of us read it. All of us have an opinion.
Somebody has been correcting the commas in {book} in pencil. They are right, too.
Homework help in the library, {day} at {hour}. I came to help with fractions and was helped with fractions.
The repair café fixed {thing} today. It now does things it could not do before.
Brought {thing} to the repair café. Left with it in a bag, and {few} new friends.
@marisol-mends took one look at my {few}-year-old kettle and said: “Who did this to you?”
Repair café, Saturday at ten, old customs house. Last week’s score: mended {n}, mourned 1.
Looking for somebody who understands {thing}. I have tried kindness.
Put {thing} back together. There is one screw left. There is always one screw left.
Borrowed {tool} from {kin}. Brought it back the same day. We are both a little shaken.
Who has {tool}? It was lent to somebody on {street} who lent it to somebody on {other street}.
Does anyone have {tool} for {day}? I can offer {cake} and light conversation.
Wanted: {thing}. Working or nearly. I am good with nearly.
To give away: {thing}, a box of {plants} and some advice. Collect on {street}.
Fixed the squeaking door with butter. The kitchen smells wonderful and so does the door.
I was going to {chore}. Then the sun came out. You understand.
To do today: {chore}. / Done today: thought about it, near {place}.
Finally managed to {chore}. Where do I collect my medal?
{Kin} said “just {chore}, it takes five minutes”. That was on {day}.
The town clock is seven minutes late, and so is everyone who trusts it.
They have repaired the town clock. Now the whole town is early and rather cross.
Our only traffic light is out. Traffic on {street} has never been so polite.
Council meeting on {day}. Item one: the bench. Item two: the other bench.
The council voted {few} to one for a new bench at {place}. I have tested it. It is a bench.
Sat on the new bench at {place} for {few} minutes. Approved.
The notice board has a new notice: “Please do not cover the notices.” It covers two notices. https://example.org/notice-board
All dates for the summer fair: https://example.org/summer-fair {tag}
Line 1 was late because a {animal} wanted to get on. The driver let it ride to {place}.
New bus stop at {place}! Old bus still thinks about it.
The postman brought a letter for a number {n}6 that does not exist. We opened a bottle in its honour.
@tadhg knew from the envelope who it was from, and waited until I had read it. Service.
{Few} parcels for {street} and not one of them mine. I now run the parcel shop, it seems.
Good morning to everyone except whoever practises the trumpet on {street} before {hour}.
The power went out for {few} minutes and {street} has never sung so well.
The whole street helped to carry a piano up to the third floor. It is the wrong piano.
New neighbours on {street}! They brought {buns}. They may stay for ever.
Language café on {day}: I teach you “squirrel”, you teach me “Eichhörnchen”, we both sit down.
Learned to say “the soup is hot” in {few} languages tonight. Learned it too late in all of them.
My grandmother and the woman downstairs share no language and have been laughing for {few} hours.
{Kin} got a phone and now sends me the weather. I live next door.
{Kin} turned ninety and beat everyone at cards. There was some cheating. It was {kin}.
My {age}-year-old asked where the tide goes. To {rival}, I said. Seems only fair.
My {age}-year-old has opened a shop on {street}. It sells stones. I bought {few}.
“Is the sea finished?” asked my {age}-year-old at low tide.
“I am not tired,” said the {age}-year-old, asleep on {dog}.
The {age}-year-olds of class 1 drew the harbour. In {few} of the pictures the ferry is smiling.
School play on {day}. My child is playing {weather}. We are very proud.
Lanterns, paper boats, {few} accordions: the harbour festival is on {day}. {tag}
The lantern parade starts at {hour} from {place}. If your lantern catches fire, keep walking with dignity.
Thank you to the stranger who returned my purse on {street}. Nothing missing, and you had put in a toffee.
To whoever shovelled my path: I saw the footprints. I know those boots. Thank you, {who}.
{who}, you were right about the ladder.
{who} There is {cake} here, and I cannot be trusted. Come quickly.
{who} There is a {bird} on your roof, and {dog} below it. No hurry. They are having a good time.
{who} See you at {place} at {hour}. Bring {tool}.
{who} and I have settled it: the best {soup} is the one somebody else made.
{who} says it will be {weather} on {day}. I have put money on it. Well, {buns}.
Happy birthday, {who}! {Few} candles fitted on the cake, the rest are on the windowsill. 🎂
{who} has been feeding the {bird} at {place}. I have proof. I helped.
Congratulations to {who} on the biggest {plants} in the history of {street}!
Who painted a {bird} on the wall by {place}? It is wonderful. The wall never looked so awake.
Question for {who}: is it still a shed if it has curtains?
{who} Thank you for {tool}. It has seen things it will not forget.
Quiz night: we came fifth out of six, {few} points behind {kin}. There was an appeal. #quiznight
Chess at {place}: lost to a {age}-year-old who was eating {buns} at the same time.
Knitting circle at {hour}. {Few} scarves in progress, one of them since the old mayor.
I joined the yoga class at {place}. My left knee has resigned.
Dance class: {few} left feet. All mine.
The second-hand shop has {thing} in the window. I do not need {thing}. I have been past {few} times.
Bought {thing} at the flea market. It works! Nobody knows what for, but it works.
Flea market on {street}: sold {few} plates, bought {other few} plates. Business is going well.
There are two kinds of people on {street}: those who have lent out {tool}, and those who have it.
My bicycle was stolen and brought back with the brakes repaired. Thank you? Thank you.
Cycled to {rival} and back against the wind. Both ways. Ask @idris_k how.
Night shift at the clinic: quiet, one splinter, one {animal}, sunrise over {place}.
The dentist’s waiting room has a magazine about ships from before I was born. I am on page {n}. It is gripping.
The barber on {street} asked “the usual?” I have never been there before. It was perfect.
The pharmacy closes at {hour}, unless you knock like somebody with a cough.
Overheard on {street}: “It is not gossip, it is local history.”
Overheard at {place}: “I am not lost, I am early.”
Overheard on the ferry: “We could live here.” “We do live here.”
Overheard in the bakery: “One of each, and then another one of each for the walk.”
Overheard at the fish market: “Is it fresh?” “It was rude to me this morning.”
{day} thought: every street here leads to the sea if you are patient enough.
Small joys of {day}: {weather}, {buns}, and nobody needed me before {hour}.
Things I saw on {street} today: one {bird}, {lost}, {few} people pretending not to run for the bus.
Three good things: {soup}, {dog}, a letter.
Went to {place} to think. It was full of people thinking. We nodded.
I have lived here {few} years and today somebody asked me the way. I knew it!
Some days the nicest thing is the sound of {kin} putting the kettle on.
Note to self: {chore} before {hour}. / Note to self, later: tomorrow is also a day.
Donaudampfschifffahrtsgesellschaftskapitänsmütze: won the word game in spirit, not in points.
My neighbour calls it the “Waschbärenabwehrvorrichtung”. It is a bucket. The raccoons are not impressed.
The sign on the pier now reads “Rettungsringaufbewahrungskasten”. Please do not fall in before you have read it.
The mayor cut the ribbon, the ribbon won, and we had cake.
The statue by the harbour has lost its nose again. It is in the lost property box, next to the other nose.
The lost property office is looking for its keys.
The choir’s minibus is stuck in the sand. We are singing to it.
I came here for one summer. That was {few} winters and {other few} bicycles ago.
You can tell the season by what is left on the harbour wall: today, one ice cream spoon.
The vending machine at the ferry landing gave me two coffees. I looked for somebody to share with and found a friend.
I have been elected treasurer of the kite club. The funds are four euros and a button.
Our street has a new tradition as of tonight: soup on the steps, first frost, everyone.
The night bus driver waited until I had found my key and the hall light was on. I waved. The bus winked.
The old cinema seats are now in the bus shelter. Nobody wants the bus any more.
My phone says there is a faster way home. It does not know about the jasmine.
My father wrote his first post today. It says “Hello, is this on?” He got nineteen answers.
The clocks went back. The dogs did not.
Today I was brave and sang the solo. Tomorrow I shall be brave and listen to the recording.
Nobody tells you that growing up is mostly looking for the other glove.
Nothing happened on {street} today. It was lovely.
Put up the winter lights. Half of them work, the other half believe in themselves.
The library has lent out its ten-thousandth book this year. The reader is six and wanted to know if there was a prize. There is now.
Waved at somebody I did not know on {street}, they waved back, and now we both have to do it every day.
The school bell is broken, so the caretaker walks through the building with a trombone.
Snow! Four flakes. I have met all of them.
Power cut on {street} in the middle of the quiz. The answer was “candle”.
Every town has a man who knows a shortcut. Ours has been gone since {day}.
Rescued a spider from the bath. It has come back with its suitcase.
My tomato plant and I have agreed to see other people.
First day at the new job in the harbour office. I have been given a stamp. A stamp!
Passed my exam! Twelve years after the first try. I am buying buns for anyone within reach.
We named the new ferry dinghy after the captain’s mother. Nobody dares to scratch it.
Moved into the little flat above the bakery. I wake up hungry and happy.
Grandpa has learned video calls. We have seen a great deal of his ceiling, and it looks well.
{Kin} has borrowed {book} and now talks only in quotations. It is {hour}.
Heard at half-time in {rival}: “At least the {buns} are winning.”
{Who} in goal, {kin} on the wing, {dog} in midfield. {loss}, but with style.
Scouts from {rival} came to watch us play. They laughed for {few} minutes and stayed for {soup}.
The mascot of {rival} is a {animal}. Ours is a {bird} that simply turned up.
We rehearsed {song} on the ferry. {Few} people got off early. It was a moving ferry.
{Kin} conducted {song} with a wooden spoon. Best tempo so far.
Choir outing to {rival} on {day}. Bring {cake}, leave the tuba.
Carpool to {rival} on {day}? I have {few} seats and strong feelings about {song}.
This week at the Lantern: {film} and {other film}. https://example.com/lantern/programme
Two tickets for {film} on {day}, because {kin} has seen it {few} times already.
{Kin} explained {film} to me on the way home. It took longer than {film}.
Swapped {book} for {other book} at the shelf by {place}. Feels like cheating.
Reading {book} at {place} until somebody needs the bench.
{Kin} repaired {thing} with a spoon and {few} bad words. It has never run better.
Half of {street} is repairing {thing}. The other half is standing round it with advice.
There is {thing} on the wall by {place} with a note: “Please, I am still good.” {tag}
Found {tool} in the shed. Found {lost} as well. Found no floor yet.
{Tool} has come home! It brought {lost}. We do not ask.
I said I would {chore} on {day}. I did not say which {day}.
{Kin} pays me in {buns} to {chore}. We both think we are robbing the other.
{Street}, {hour}: {few} neighbours, one {animal}, {other few} theories.
Street party on {street}, {day} from {hour}. Bring a chair. Bring {kin}. {tag}
Item {n} on the council’s list: the {bird} at {place}. Motion to let it stay. Carried, loudly.
Proposal: we swap {place} and {street} for a week and see who notices.
My {age}-year-old sold {who} a stone for {few} euros. We are calling it a start-up.
My {age}-year-old wants to be a {bird} when the time comes. We are supportive.
{Who} taught my {age}-year-old to whistle. We must talk, {who}.
Parents’ evening at {hour}. The chairs are for {age}-year-olds. So is the coffee.
First aid course at {place}, {day} at {hour}. Volunteers wanted to lie down. {Kin} is in.
The {age} o’clock bell rang {few} times. The clock and I are both having that kind of {day}.
`
