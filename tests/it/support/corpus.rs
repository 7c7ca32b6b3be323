//! Messages of real words as people write them, and searches for them, the same for each seed.

use rand::{Rng, SeedableRng, rngs::StdRng};

/// Words in the order of their frequency.
const WORDS: &str = "the to i you and a that it is of in for on this we have not be with are at as so do \
    but what can my if your was just will all like me from there they when how get out about up no one \
    here know now then time think see go good some would more by need make want work has who or had which \
    people say back use them could take into look first also new well way even because any these give day \
    most thanks today please tomorrow meeting message server build test code change problem question answer \
    project release version update branch commit review merge deploy install machine network connection \
    config configuration command comment community company complete computer common communicate commercial \
    contact content context continue contract control conversation copy correct cost country course cover \
    create credit cross culture current customer data database date deal decide decision deep default delay \
    delete deliver depend describe design detail develop device difference different difficult direct \
    directory discuss document download early easy edit effect effort either email enable encryption end \
    energy engine enough enter error especially evening event every exactly example except expect experience \
    explain export express extra face fact fail family fast feature feel field figure file final find fine \
    finish fix follow food force forget form format forward found free friend full function future game \
    garden general green group guess hand happen happy hard header health hear help history hope host hour \
    house human idea image import important improve include increase index information inside instance \
    instead interest interface internal international internet interview introduce invite issue item job join \
    keep key kind language large last late launch lead learn leave length less letter level library light \
    limit line link list little local lock long lunch main manage manual market matter maybe memory middle \
    minute mistake mode money month morning mouse move music name nature never next night normal note nothing \
    notice number object office often open operation option order original other output over package page \
    paper parent part party pass password path pattern pause pay performance perhaps person phone photo \
    picture piece place plain plan play point policy position possible power practice prefer prepare present \
    press price print private process produce product program programme progress promise proof protect \
    protocol provide public pull push quick quiet quite random rather reach read ready real reason receive \
    recent record red reduce refuse region register remember remote remove repeat reply report request \
    require research reset resource rest result return right room rule run safe same sample save school \
    screen search second secret section send sense sentence separate series serious service session set \
    several share short show side sign simple since single site size sleep slow small social software \
    sometimes soon sorry sound source space special speed spend stage standard start state station status \
    step still stop storage store story stream street string strong student stuff style subject such suggest \
    summer support sure surface surprise switch system table talk task tea team text theme theory therefore \
    thermal thesis thing thousand thread through ticket tool total touch toward track train transfer travel \
    tree trouble true trust try type under understand unit until upload user value variable various very \
    video view village visit voice wait walk wall watch water weather week weekend weight welcome whether \
    white whole why wide wind window winter without wonder word world worry worth write wrong year yellow \
    yesterday young walnut étonnant Straße über schön größer Öffnung Zürich élève façade привет сегодня \
    работа сообщение вопрос спасибо проект";

/// Endings that make further words of them, in the order of their frequency.
const ENDINGS: [&str; 8] = ["s", "ed", "ing", "er", "ly", "able", "ness", "ment"];

/// What people write in scripts without blanks.
const RUNS: [&str; 12] = [
    "今天玩成语接龙游戏",
    "我们明天开会",
    "的确是这样的问题",
    "服务器不工作了",
    "茶",
    "コーヒーを飲みたい",
    "今日は天気がいいですね",
    "カラオケに行きたい",
    "한국어를 배워요",
    "안녕하세요 여러분",
    "วันนี้อากาศดีมาก",
    "สวัสดีครับ",
];

const EMOJI: [&str; 5] = ["🎉", "👍", "👍🏽", "❤️", "🇩🇪"];

/// A source of texts and searches.
pub(crate) struct Corpus {
    words: Vec<String>,
    /// The frequencies of the words, added up: those of Zipf's law.
    sums: Vec<f64>,
    random: StdRng,
}

impl Corpus {
    pub(crate) fn new(seed: u64) -> Self {
        let stems: Vec<_> = WORDS.split_whitespace().collect();
        let mut words: Vec<String> = stems.iter().map(|stem| stem.to_string()).collect();
        for ending in ENDINGS {
            words.extend(stems.iter().map(|stem| format!("{stem}{ending}")));
        }
        // The rare words: compounds.
        for first in &stems {
            words.extend(stems.iter().step_by(7).map(|second| format!("{first}{second}")));
        }
        let mut sum = 0.0;
        let add = |rank| {
            sum += 1.0 / (rank as f64 + 2.7);
            sum
        };
        let sums = (0..words.len()).map(add).collect();
        Self { words, sums, random: StdRng::seed_from_u64(seed) }
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.random.random_range(0..end)
    }

    /// Returns true once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn word(&mut self) -> &str {
        let most = self.sums.last().copied().unwrap_or_default();
        let at = self.random.random_range(0.0..most);
        let rank = self.sums.partition_point(|sum| *sum < at);
        &self.words[rank.min(self.words.len() - 1)]
    }

    fn words(&mut self, count: usize) -> String {
        let words: Vec<_> = (0..count).map(|_| self.word().to_owned()).collect();
        words.join(" ")
    }

    /// Returns the text of a message: a sentence, and now and then an essay or something else.
    pub(crate) fn text(&mut self) -> String {
        match self.below(1000) {
            0 => {
                let text = self.words(2_000);
                cut(text, 16 * 1024)
            }
            1..10 => self.words(300),
            10..60 => format!("{} {}", self.pick(&RUNS), self.pick(&RUNS)),
            60..100 => {
                let count = 1 + self.below(8);
                format!("{} {}", self.words(count), self.pick(&EMOJI))
            }
            _ => {
                let count = 1 + self.below(20);
                self.words(count)
            }
        }
    }

    /// Returns a query as people type it, or as somebody writes it who means harm. It has at most 256
    /// bytes.
    pub(crate) fn query(&mut self) -> String {
        let query = match self.below(12) {
            0 => self.words(1),
            1 | 2 => {
                let count = 1 + self.below(4);
                self.words(count)
            }
            3 | 4 => self.terms(1, 2),
            5..8 => self.terms(4, 8),
            8 => {
                let count = 2 + self.below(40);
                format!("\"{}\"", self.words(count))
            }
            9 => {
                let count = 1 + self.below(8);
                (0..count).map(|_| self.pick(&RUNS)).collect::<Vec<_>>().join(" ")
            }
            10 => {
                let word =
                    self.pick(&["a", "the", "\"a b\"", "a*", "the*", "的", "\"the the\"", "1*"]);
                [word].repeat(1 + self.below(85)).join(" ")
            }
            _ => {
                let marks = [
                    "\"", "*", " ", "-", "的", "a", "the", "com*", "\u{301}", "ー", "🎉", "\0", "9",
                ];
                let count = 1 + self.below(60);
                (0..count).map(|_| self.pick(&marks)).collect()
            }
        };
        cut(query, 256)
    }

    /// Returns between `least` and `most` words, prefixes, phrases and runs.
    fn terms(&mut self, least: usize, most: usize) -> String {
        let count = least + self.below(most - least + 1);
        let terms: Vec<_> = (0..count).map(|_| self.term()).collect();
        terms.join(" ")
    }

    fn term(&mut self) -> String {
        match self.below(8) {
            0..3 => self.words(1),
            3..6 => {
                let letters = 3 + self.below(4);
                let prefix: String = self.word().chars().take(letters).collect();
                format!("{prefix}*")
            }
            6 => format!("\"{}\"", self.words(2)),
            _ => {
                let run: Vec<_> = self.pick(&RUNS).chars().collect();
                let from = self.below(run.len());
                run[from..].iter().take(1 + self.random.random_range(0..4)).collect()
            }
        }
    }
}

/// Returns the beginning of a text, at most so many bytes.
fn cut(mut text: String, bytes: usize) -> String {
    let fits = |end: &usize| *end <= bytes && text.is_char_boundary(*end);
    let end = (0..=text.len()).rev().find(fits).unwrap_or_default();
    text.truncate(end);
    text
}
