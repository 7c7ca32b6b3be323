use chinwag::{
    backbone::{
        embedded::log::{EmbeddedLog, Store},
        *,
    },
    model::*,
};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
struct Nobody;
impl Tail for Nobody {
    fn stored(&self, _: &RoomName, _: &[Message]) {}
}
fn draft(room: &RoomName, sender: &Name, text: &Text) -> Draft {
    Draft { id: MessageId::new(), room: room.clone(), sender: sender.clone(), text: text.clone() }
}
fn open(dir: &str) -> Arc<EmbeddedLog> {
    let store = if dir == "mem" { Store::Memory } else { Store::Directory(PathBuf::from(dir)) };
    let t = Instant::now();
    let l = Arc::new(EmbeddedLog::open(store, Arc::new(Nobody)).unwrap());
    println!("open {:?}", t.elapsed());
    l
}
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<_> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
async fn pipelined(log: &Arc<EmbeddedLog>, n: usize, rooms: usize, senders: usize, len: usize) {
    let text = Text::parse("lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et d".repeat(len/100+1)[..len].to_string()).unwrap();
    let rooms: Vec<_> = (0..rooms).map(|i| RoomName::parse(&format!("room{i}")).unwrap()).collect();
    let senders: Vec<_> = (0..senders).map(|i| Name::parse(&format!("peer{i}")).unwrap()).collect();
    let done = Arc::new(AtomicUsize::new(0));
    let c0 = cpu();
    let worst = Arc::new(std::sync::Mutex::new(Vec::new()));
    let t = Instant::now();
    let (tx, rx) = tokio::sync::oneshot::channel();
    let mut tx = Some(tx);
    for i in 0..n {
        let done = done.clone();
        let tx = if i == n - 1 { tx.take() } else { None };
        let t1 = Instant::now();
        let w = worst.clone();
        log.append(
            draft(&rooms[i % rooms.len()], &senders[i % senders.len()], &text),
            Box::new(move |r| {
                r.unwrap();
                done.fetch_add(1, Relaxed);
                if i % 16 == 0 {
                    w.lock().unwrap().push(t1.elapsed());
                }
                if let Some(tx) = tx {
                    tx.send(()).unwrap();
                }
            }),
        )
        .await;
    }
    rx.await.unwrap();
    let e = t.elapsed();
    let mut w = worst.lock().unwrap();
    w.sort();
    println!(
        "pipelined n={n} rooms={} senders={} len={len}: {:.0}/s cpu {:.2} us/msg; latency p50 {:?} p99 {:?} max {:?}",
        rooms.len(),
        senders.len(),
        n as f64 / e.as_secs_f64(),
        (cpu() - c0) * 1e6 / n as f64,
        w[w.len() / 2],
        w[w.len() * 99 / 100],
        w[w.len() - 1]
    );
}
async fn waiting(log: &Arc<EmbeddedLog>, publishers: usize, secs: u64) {
    let room = RoomName::parse("room0").unwrap();
    let text = Text::parse("x".repeat(100)).unwrap();
    let end = Instant::now() + Duration::from_secs(secs);
    let mut set = tokio::task::JoinSet::new();
    let c0 = cpu();
    for p in 0..publishers {
        let log = log.clone();
        let room = room.clone();
        let text = text.clone();
        let me = Name::parse(&format!("peer{p}")).unwrap();
        set.spawn(async move {
            let mut l = Vec::new();
            while Instant::now() < end {
                let t = Instant::now();
                let (tx, rx) = tokio::sync::oneshot::channel();
                log.append(
                    draft(&room, &me, &text),
                    Box::new(move |r| {
                        tx.send(r.unwrap()).unwrap();
                    }),
                )
                .await;
                rx.await.unwrap();
                l.push(t.elapsed());
            }
            l
        });
    }
    let mut l: Vec<Duration> = set.join_all().await.concat();
    l.sort();
    println!(
        "waiting {publishers}: {:.0}/s cpu {:.1} us/msg p50 {:?} p99 {:?} p99.9 {:?} max {:?}",
        l.len() as f64 / secs as f64,
        (cpu() - c0) * 1e6 / l.len() as f64,
        l[l.len() / 2],
        l[l.len() * 99 / 100],
        l[l.len() * 999 / 1000],
        l[l.len() - 1]
    );
}
async fn catch_up(log: &Arc<EmbeddedLog>, room: &str) {
    let room = RoomName::parse(room).unwrap();
    for _ in 0..2 {
        let t = Instant::now();
        let c0 = cpu();
        let (mut seq, mut n, mut pages) = (0, 0, 0);
        loop {
            let m = log.read(&room, Slice { from: Edge::After(seq), limit: 4096 }).await.unwrap();
            let Some(l) = m.last() else { break };
            seq = l.position.seq;
            n += m.len();
            pages += 1;
        }
        println!(
            "catch-up {n} in {pages} pages: {:.0}/s cpu {:.2} us/msg",
            n as f64 / t.elapsed().as_secs_f64(),
            (cpu() - c0) * 1e6 / n as f64
        );
    }
}
async fn search(log: &Arc<EmbeddedLog>, q: &str, newest_first: bool) {
    let t = Instant::now();
    let h = log
        .search(Search {
            query: q.into(),
            room: None,
            sender: None,
            newest_first,
            limit: 20,
            offset: 0,
        })
        .await;
    println!("search {q:?} newest={newest_first}: {:?} in {:?}", h.map(|h| h.len()), t.elapsed());
}
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let a: Vec<String> = std::env::args().collect();
    let log = open(&a[1]);
    for cmd in &a[2..] {
        let p: Vec<&str> = cmd.split(':').collect();
        let n = |i: usize, d: usize| p.get(i).map_or(d, |s| s.parse().unwrap());
        match p[0] {
            "pipe" => pipelined(&log, n(1, 200_000), n(2, 1), n(3, 1), n(4, 100)).await,
            "wait" => waiting(&log, n(1, 64), n(2, 3) as u64).await,
            "catch" => catch_up(&log, p.get(1).unwrap_or(&"room0")).await,
            "index" => {
                let t = Instant::now();
                let c = cpu();
                log.searchable().await.unwrap();
                println!("index: {:?} cpu {:.2}s", t.elapsed(), cpu() - c);
            }
            "search" => {
                search(&log, p[1], false).await;
                search(&log, p[1], true).await;
            }
            _ => panic!(),
        }
    }
    let t = Instant::now();
    log.close().await;
    drop(log);
    println!("close {:?}", t.elapsed());
}
