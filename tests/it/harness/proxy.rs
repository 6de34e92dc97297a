//! A proxy between the service and PostgreSQL that can cut a connection at a COMMIT: it reads just enough of the
//! protocol to recognise one.
//! Not here: surviving the cuts (`unclear`).

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use boxoffice::id::RandomSource;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// The fate of a connection at its COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The server commits; the answer is lost.
    Unheard,
    /// The server commits; the answer is lost, and every other connection dies at the same moment.
    UnheardByAll,
    /// The same, and new connections die too until [`Proxy::revive`] is called.
    UnheardForLong,
    /// The server never gets it and sees the connection end.
    Unsent,
    /// The client sees the connection end, the server does not: it gets the COMMIT when [`Proxy::deliver`] is called.
    Late,
}

/// The COMMITs to cut.
enum Plan {
    None,
    /// A number of COMMITs passes, then a number is cut.
    Next(usize, usize, Cut),
    /// Each COMMIT may be cut, with this random source and probability, in one of these ways.
    Random(RandomSource, f64, Vec<Cut>),
}

/// A proxy in front of the server of a database.
#[derive(Clone)]
pub struct Proxy {
    /// The URL of the database through the proxy.
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    server: String,
    plan: Mutex<Plan>,
    cuts: AtomicUsize,
    begun: AtomicUsize,
    late: CancellationToken,
    /// Cancelled when every connection dies, and then replaced.
    living: Mutex<CancellationToken>,
}

impl Proxy {
    /// Starts a proxy in front of this database. It ends with the runtime of the test.
    pub async fn to(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (user, rest) = rest.rsplit_once('@').unwrap();
        let (server, name) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server: server.to_owned(),
            plan: Mutex::new(Plan::None),
            cuts: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            late: CancellationToken::new(),
            living: Mutex::default(),
        });
        // An encrypted connection could not be read.
        let proxy = Self { url: format!("{scheme}://{user}@{address}/{name}?sslmode=disable"), shared: shared.clone() };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = shared.clone();
                let living = shared.living.lock().unwrap().clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = living.cancelled() => {}
                        _ = carry(client, &shared) => {}
                    }
                });
            }
        });
        proxy
    }

    /// Cuts `n` COMMITs, after letting some pass.
    pub fn cut_after(&self, passing: usize, n: usize, cut: Cut) {
        *self.shared.plan.lock().unwrap() = Plan::Next(passing, n, cut);
    }

    /// Cuts COMMITs at random until [`Self::mend`].
    pub fn cut_at_random(&self, random: RandomSource, often: f64, cuts: &[Cut]) {
        *self.shared.plan.lock().unwrap() = Plan::Random(random, often, cuts.to_vec());
    }

    /// Lets every further COMMIT pass.
    pub fn mend(&self) {
        *self.shared.plan.lock().unwrap() = Plan::None;
    }

    /// Lets COMMITs that are [`Cut::Late`] arrive.
    pub fn deliver(&self) {
        self.shared.late.cancel();
    }

    /// Lets connections through again.
    pub fn revive(&self) {
        std::mem::take(&mut *self.shared.living.lock().unwrap());
    }

    /// Returns the number of COMMITs cut so far.
    pub fn cuts(&self) -> usize {
        self.shared.cuts.load(Ordering::SeqCst)
    }

    /// Returns the number of transactions begun so far.
    pub fn begun(&self) -> usize {
        self.shared.begun.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn fate(&self) -> Option<Cut> {
        let mut plan = self.plan.lock().unwrap();
        let cut = match &mut *plan {
            Plan::None | Plan::Next(0, 0, _) => None,
            Plan::Next(0, n, cut) => {
                *n -= 1;
                Some(*cut)
            }
            Plan::Next(passing, ..) => {
                *passing -= 1;
                None
            }
            Plan::Random(random, often, cuts) => {
                let is_cut = random.fraction() < *often;
                is_cut.then(|| cuts[(random.fraction() * cuts.len() as f64) as usize % cuts.len()])
            }
        };
        self.cuts.fetch_add(usize::from(cut.is_some()), Ordering::SeqCst);
        cut
    }
}

/// Forwards messages between a client and the server until one of them ends, or a COMMIT is cut.
async fn carry(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut server = TcpStream::connect(&shared.server).await?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let (mut asked, mut answered) = (Vec::new(), vec![0; 16 * 1024]);
    let mut is_introduced = false;
    loop {
        tokio::select! {
            read = client.read_buf(&mut asked) => {
                if read? == 0 {
                    return Ok(());
                }
                while let Some(message) = take_message(&mut asked, is_introduced) {
                    is_introduced = true;
                    if message.starts_with(b"Q") && message[5..].starts_with(b"BEGIN") {
                        shared.begun.fetch_add(1, Ordering::SeqCst);
                    }
                    match if message == COMMIT { shared.fate() } else { None } {
                        None => server.write_all(&message).await?,
                        Some(cut) => return end(cut, client, server, shared).await,
                    }
                }
            }
            read = server.read(&mut answered) => {
                match read? {
                    0 => return Ok(()),
                    n => client.write_all(&answered[..n]).await?,
                }
            }
        }
    }
}

/// A simple query: `Q`, the length of the rest, the text, a zero.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

async fn end(cut: Cut, client: TcpStream, mut server: TcpStream, shared: &Shared) -> io::Result<()> {
    match cut {
        Cut::Unsent => {}
        Cut::Unheard => commit(&mut server).await?,
        Cut::UnheardByAll => {
            commit(&mut server).await?;
            std::mem::take(&mut *shared.living.lock().unwrap()).cancel();
        }
        Cut::UnheardForLong => {
            commit(&mut server).await?;
            shared.living.lock().unwrap().cancel();
        }
        Cut::Late => {
            drop(client);
            shared.late.cancelled().await;
            commit(&mut server).await?;
        }
    }
    Ok(())
}

/// Sends the COMMIT and reads until the server is ready for the next query.
async fn commit(server: &mut TcpStream) -> io::Result<()> {
    server.write_all(COMMIT).await?;
    let mut answer = Vec::new();
    while server.read_buf(&mut answer).await? > 0 {
        if answer.ends_with(b"Z\0\0\0\x05I") {
            break;
        }
    }
    Ok(())
}

/// Takes a whole message off the front: a type, but for the very first one, and a length that counts itself.
fn take_message(bytes: &mut Vec<u8>, is_introduced: bool) -> Option<Vec<u8>> {
    let head = usize::from(is_introduced);
    let length = bytes.get(head..head + 4)?;
    let whole = head + u32::from_be_bytes(length.try_into().ok()?) as usize;
    (bytes.len() >= whole).then(|| bytes.drain(..whole).collect())
}
