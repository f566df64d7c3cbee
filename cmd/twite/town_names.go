package main

// townNames lists sixteen given and sixteen family names for each origin, and
// the given names in their own script where that is not the Latin one.
const townNames = `
Anneke Jürgen Käthe Malte Svenja Thorben Wiebke Götz Frauke Jannis Heike Ulf Lieselotte Bjarne Antje Rüdiger
Möller Harms Brügge Claasen Siefken Dierks Großmann Küster Oltmanns Petersen Rademacher Steenbock Tjarks Völker Wübbena Zander

Zeynep Emre Gülşen Kaan Elif Barış Şule Ozan Nihal Çağla Tarık Ümit İpek Sinem Yağız Deniz
Aktaş Bulut Çelebi Doğan Ersoy Güneş Işık Karaca Özkan Polat Sönmez Şahin Tekin Uysal Yalçın Zengin

Folake Tunde Ṣadé Kẹhinde Bisi Dayọ Ronkẹ Wale Morẹnikẹ Segun Titilayọ Kunle Ṣọla Abiọdun Fẹmi Yinka
Adébíyi Ajayi Akinola Balogun Fágbèmí Ogunleye Oyèlárán Ṣówándé Ọláńrewájú Adésínà Bánkọlé Ẹkúndayọ Ìdòwú Olátúnjí Ọmọtọsọ Owólabí

Akari Daichi Emi Haruto Kaede Kenta Mio Naoki Rin Sachiko Shō Tomoko Umi Yōta Yui Jun
Aoyama Fukui Hamasaki Ishihara Kitagawa Kuroda Matsuura Minato Nagase Okada Sakai Shimizu Takeda Uchida Wakabayashi Yanagi
朱里 大地 恵美 陽翔 楓 健太 美桜 直樹 凛 幸子 翔 智子 海 陽太 結衣 潤

Agnieszka Bartek Celina Dawid Ewelina Grażyna Jarek Kasia Łukasz Małgosia Nadia Oskar Paweł Róża Stanisław Żaneta
Bąk Ciesielski Dąbek Gołąb Jabłoński Kania Łoś Mróz Niedźwiedź Olszewski Piątek Rybak Sowa Śliwa Wrzos Zając

Araceli Benito Consuelo Darío Encarna Fermín Inés Joaquín Lucía Nacho Montse Óscar Pilar Rocío Tomás Xiomara
Alarcón Bermúdez Cebrián Domínguez Escudero Galíndez Herrera Ibarra Llanos Muñoz Núñez Olmedo Peñalver Quiroga Sepúlveda Zúñiga

Amal Bassam Dalia Farid Hanan Jamila Khalil Layla Munir Nour Rashid Salma Tariq Widad Yusuf Zahra
Abboud Barakat Darwish Fakhoury Haddad Jabbour Khoury Mansour Najjar Qasim Rahal Sabbagh Shami Tannous Yazbek Zeidan
أمل بسام داليا فريد حنان جميلة خليل ليلى منير نور رشيد سلمى طارق وداد يوسف زهرة

Aditi Balaji Chitra Devika Ganesh Ishani Jaya Kavitha Lakshmi Meenal Nikhil Padma Rohan Sanjana Uma Vikram
Acharya Bhatt Chatterjee Deshpande Gopal Iyer Joshi Kulkarni Menon Nambiar Pillai Rao Subramaniam Thakur Varma Yadav
अदिति बालाजी चित्रा देविका गणेश ईशानी जया कविता लक्ष्मी मीनल निखिल पद्मा रोहन संजना उमा विक्रम

Anh Bảo Chi Duy Giang Hạnh Hương Khánh Lan Minh Ngọc Phúc Quỳnh Thảo Trung Vy
Bùi Cao Đặng Đinh Dương Hồ Hoàng Huỳnh Lương Mai Phạm Phan Tạ Trần Trịnh Võ

Anthi Danae Eleni Fotis Giannis Ioanna Kyriakos Lefteris Myrto Nefeli Panos Rania Spyros Thanos Vasso Xenia
Alexiou Dimou Fotiadis Georgiou Ioannidis Kalamaras Lambrou Makris Nikolaou Pappas Rallis Stavrou Thalassinos Vlachos Xydis Zervas
Ανθή Δανάη Ελένη Φώτης Γιάννης Ιωάννα Κυριάκος Λευτέρης Μυρτώ Νεφέλη Πάνος Ράνια Σπύρος Θάνος Βάσω Ξένια

Bohdana Daryna Halyna Ihor Kateryna Lesia Mykola Nazar Olha Petro Roksolana Solomiia Taras Ulyana Vasyl Yurii
Bilyk Chorny Dovhan Hnatiuk Ivasiuk Koval Lysenko Melnyk Oliinyk Panchuk Rudenko Savchuk Tkachuk Vovk Yaremko Zhuravel
Богдана Дарина Галина Ігор Катерина Леся Микола Назар Ольга Петро Роксолана Соломія Тарас Уляна Василь Юрій

Aoife Bronwyn Cormac Dilys Eilidh Fergus Gráinne Hamish Iona Kerensa Lowen Niamh Oisín Róisín Siân Una
Ashdown Brannigan Carlyon Dunmore Eddystone Fairweather Gillespie Hathersage Kerrigan Lanyon Merrick Penhallow Quill Rafferty Tolliver Wetherby

Amália Bento Catarina Duarte Fátima Gonçalo Inácia Jacinto Leonor Mafalda Nuno Otília Rui Simão Teodora Vânia
Almeida Brandão Cardoso Esteves Figueira Guimarães Leitão Magalhães Nogueira Paixão Queirós Ramalho Sampaio Teixeira Valadão Ximenes

Ara Bora Dahye Eunji Gaon Haneul Iseul Jiho Minseo Narae Seojun Sooah Taeyang Wooju Yerin Yuna
Bae Cheon Gong Gwak Hwang Jeong Kang Kwon Moon Namgung Pyo Ryu Seo Shin Woo Yoon
아라 보라 다혜 은지 가온 하늘 이슬 지호 민서 나래 서준 수아 태양 우주 예린 유나

Asta Birgitte Dagny Eskil Frøya Gudrun Håkon Ingvild Jørgen Kjersti Lærke Magnus Åse Sørine Torbjørn Vigdis
Aasen Bjerregård Dahl Ødegård Fjord Grønning Høeg Iversen Kjær Lund Mørk Nygård Østergård Rasmussen Skov Vestby

Abena Akosua Ama Baaba Efua Ekow Esi Fiifi Kofi Kojo Kwabena Kwame Maame Nana Nyameke Yaw
Acheampong Adomako Agyeman Amponsah Ansah Asante Boakye Darko Frimpong Gyamfi Mensah Nkansah Opoku Owusu Quaye Sarpong
`

// townLetters pairs each letter of the names with its nearest in ASCII.
const townLetters = `
À A Á A Ä A Å A Ç C Đ D È E É E Ẹ E Ì I Í I İ I Ł L Ó O Ö O Ø O Ọ O Ś S Ş S Ṣ S Ü U Ù U Ú U Ż Z
à a á a â a ã a ä a å a ą a ạ a ả a ầ a ặ a æ ae ç c ć c đ d è e é e ê e ę e ẹ e ğ g ì i í i î i ị i ı i
ł l ñ n ń n ò o ó o ô o õ o ö o ø o ō o ọ o ồ o ơ o ś s ş s ṣ s ß ss ù u ú u ü u ư u ỳ y ý y ź z ż z
`
