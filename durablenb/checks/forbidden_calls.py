"""Functions, classes and methods that orchestrators must not call, by their full names.

`Path().read_text` is a method of an object; a name that ends with a dot covers everything below it.
"""

from __future__ import annotations

import re

_LOOP = """
    asyncio.create_task asyncio.ensure_future asyncio.gather asyncio.wait asyncio.wait_for
    asyncio.as_completed asyncio.get_event_loop asyncio.get_running_loop asyncio.shield asyncio.timeout
    asyncio.timeout_at asyncio.TaskGroup asyncio.Event asyncio.Lock asyncio.Queue asyncio.PriorityQueue
    asyncio.LifoQueue asyncio.Semaphore asyncio.BoundedSemaphore asyncio.Condition asyncio.Barrier
    asyncio.Future asyncio.Task asyncio.current_task asyncio.all_tasks
    """
"""Functions that need a running event loop."""

_LISTS: dict[str, str] = {
    "DNB101": """
        time.time time.time_ns time.monotonic time.monotonic_ns time.perf_counter time.perf_counter_ns
        time.process_time time.process_time_ns time.thread_time time.thread_time_ns
        datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today datetime.date.today
        pandas.Timestamp.now pandas.Timestamp.utcnow pandas.Timestamp.today pandas.to_datetime.now
        pendulum.now pendulum.today pendulum.tomorrow pendulum.yesterday arrow.now arrow.utcnow arrow.get.now
        django.utils.timezone.now
        """,
    "DNB102": """
        random. secrets. numpy.random. os.urandom os.getrandom
        torch.rand torch.randn torch.randint torch.randperm torch.rand_like torch.randn_like
        """,
    "DNB103": """
        uuid.uuid1 uuid.uuid4 uuid.uuid6 uuid.uuid7 uuid.uuid8 shortuuid.uuid nanoid.generate ulid.new
        bson.ObjectId
        """,
    "DNB106": """
        os.getenv os.getenvb os.getpid os.getppid os.getcwd os.getlogin os.getuid os.cpu_count os.uname
        os.getloadavg os.path.expanduser os.path.expandvars os.path.abspath os.path.realpath
        pathlib.Path.cwd pathlib.Path.home pathlib.Path().expanduser
        platform.node platform.system platform.platform platform.machine platform.uname platform.release
        socket.gethostname socket.getfqdn getpass.getuser uuid.getnode sys.getsizeof
        threading.get_ident threading.get_native_id threading.current_thread multiprocessing.cpu_count
        multiprocessing.current_process dotenv.load_dotenv dotenv.dotenv_values locale.getlocale
        """,
    "DNB201": """
        builtins.open io.open codecs.open os.open os.listdir os.scandir os.walk os.remove os.unlink os.rename
        os.replace os.mkdir os.makedirs os.rmdir os.removedirs os.stat os.lstat os.access os.chmod os.utime
        os.link os.symlink os.readlink os.truncate os.write os.read os.chdir
        os.path.exists os.path.isfile os.path.isdir os.path.getsize os.path.getmtime os.path.getctime
        os.path.getatime os.path.lexists os.path.islink
        pathlib.Path().read_text pathlib.Path().read_bytes pathlib.Path().write_text
        pathlib.Path().write_bytes pathlib.Path().open pathlib.Path().exists pathlib.Path().is_file
        pathlib.Path().is_dir pathlib.Path().iterdir pathlib.Path().glob pathlib.Path().rglob
        pathlib.Path().mkdir pathlib.Path().rmdir pathlib.Path().unlink pathlib.Path().touch
        pathlib.Path().rename pathlib.Path().replace pathlib.Path().stat pathlib.Path().lstat
        pathlib.Path().resolve pathlib.Path().absolute pathlib.Path().chmod pathlib.Path().symlink_to
        pathlib.Path().walk
        shutil. tempfile. glob.glob glob.iglob fileinput.input zipfile.ZipFile tarfile.open gzip.open bz2.open
        lzma.open shelve.open dbm.open sqlite3.connect duckdb.connect duckdb.sql duckdb.query duckdb.execute
        duckdb.read_csv duckdb.read_parquet duckdb.read_json
        pandas.read_csv pandas.read_excel pandas.read_json pandas.read_parquet pandas.read_pickle
        pandas.read_sql pandas.read_sql_query pandas.read_sql_table pandas.read_table pandas.read_feather
        pandas.read_hdf pandas.read_html pandas.read_xml pandas.ExcelWriter pandas.HDFStore
        pandas.DataFrame().to_csv pandas.DataFrame().to_parquet pandas.DataFrame().to_excel
        pandas.DataFrame().to_pickle pandas.DataFrame().to_sql pandas.DataFrame().to_feather
        polars.read_csv polars.read_parquet polars.read_json polars.read_excel polars.read_ipc
        polars.read_database polars.scan_csv polars.scan_parquet
        numpy.load numpy.loadtxt numpy.genfromtxt numpy.fromfile numpy.save numpy.savez numpy.savetxt
        numpy.memmap pyarrow.parquet.read_table pyarrow.parquet.write_table joblib.load joblib.dump
        torch.load torch.save matplotlib.pyplot.savefig sqlalchemy.create_engine
        """,
    "DNB202": """
        requests.get requests.post requests.put requests.patch requests.delete requests.head requests.options
        requests.request requests.session requests.Session requests.Session().
        httpx.get httpx.post httpx.put httpx.patch httpx.delete httpx.head httpx.options httpx.request
        httpx.stream httpx.Client httpx.Client(). httpx.AsyncClient httpx.AsyncClient().
        aiohttp.request aiohttp.ClientSession aiohttp.ClientSession().
        urllib3.request urllib3.PoolManager urllib3.PoolManager().
        urllib.request.urlopen urllib.request.urlretrieve urllib.request.build_opener
        http.client.HTTPConnection http.client.HTTPConnection(). http.client.HTTPSConnection
        http.client.HTTPSConnection(). smtplib. ftplib. imaplib. poplib. telnetlib. xmlrpc.client.ServerProxy
        websockets. websocket. paramiko. boto3.client boto3.resource boto3.Session boto3.session.Session
        pymongo.MongoClient pymongo.MongoClient(). motor. redis.Redis redis.Redis(). redis.from_url
        psycopg2.connect psycopg.connect asyncpg. pymysql.connect MySQLdb.connect mysql.connector.connect
        pyodbc.connect pymssql.connect oracledb.connect openai. anthropic. google.cloud. kafka. pika.
        elasticsearch.Elasticsearch elasticsearch.Elasticsearch(). sendgrid. twilio. stripe. slack_sdk.
        azure.storage. azure.cosmos. azure.identity. azure.keyvault. azure.servicebus. azure.eventhub.
        azure.data. azure.mgmt. azure.eventgrid. azure.ai.
        socket.socket socket.create_connection socket.create_server socket.getaddrinfo socket.gethostbyname
        socket.gethostbyaddr socket.gethostbyname_ex asyncio.open_connection asyncio.start_server
        """,
    "DNB203": """
        time.sleep asyncio.sleep trio.sleep trio.sleep_until anyio.sleep gevent.sleep eventlet.sleep
        threading.Event().wait threading.Condition().wait
        """,
    "DNB204": """
        threading.Thread threading.Timer threading.Lock threading.RLock threading.Event threading.Condition
        threading.Semaphore threading.BoundedSemaphore threading.Barrier threading.local
        _thread.start_new_thread multiprocessing.
        concurrent.futures. subprocess. os.system os.popen os.fork os.forkpty os.kill os.spawnl os.spawnv
        os.execv os.execl os.posix_spawn os.wait os.waitpid queue.Queue queue.SimpleQueue queue.LifoQueue
        queue.PriorityQueue joblib.Parallel asyncio.to_thread asyncio.create_subprocess_exec
        asyncio.create_subprocess_shell
        asgiref.sync.sync_to_async dask.compute dask.distributed.Client ray.get ray.remote
        """,
    "DNB205": f"""
        {_LOOP} asyncio.run asyncio.Runner asyncio.new_event_loop asyncio.set_event_loop
        asyncio.run_coroutine_threadsafe trio. anyio. nest_asyncio.apply
        """,
    "DNB206": """
        durablenb.TaskHub(). durablenb.Handle(). durablenb.SyncDurableOrchestrationClient().
        durablenb.DurableOrchestrationClient(). durablenb.TaskHub durablenb.open_history
        durablenb.EntityHandle(). durablenb.DurableOrchestrationClient
        azure.durable_functions.DurableOrchestrationClient
        azure.durable_functions.DurableOrchestrationClient().
        """,
    "DNB207": "builtins.input getpass.getpass builtins.breakpoint pdb.set_trace",
}

_NEEDS_LOOP = {"asyncio.sleep", *_LOOP.split()}
"""Functions that an ``async def`` orchestrator may use, on the event loop of the orchestration."""

_ALL = {path: code for code, paths in _LISTS.items() for path in paths.split()}

_SEEDED = {
    "random.Random",
    "numpy.random.default_rng",
    "numpy.random.RandomState",
    "numpy.random.Generator",
    "numpy.random.PCG64",
    "numpy.random.MT19937",
    "numpy.random.Philox",
    "numpy.random.SFC64",
    "numpy.random.SeedSequence",
}
"""Generators that are deterministic if they get a seed."""

GENERATORS = {
    "random.Random",
    "numpy.random.default_rng",
    "numpy.random.RandomState",
    "numpy.random.Generator",
}
"""Random number generators; a shared one draws different numbers in a replay."""

DATA = {"os.environ": "DNB106", "os.environb": "DNB106", "sys.argv": "DNB106", "sys.stdin": "DNB207"}
"""Objects that orchestrators must not read, with the rule's code."""

_SAFE = {"secrets.compare_digest", "shutil.get_terminal_size", "subprocess.list2cmdline"}

_SDKS = ("azure.", "google.", "openai.", "anthropic.", "kafka.", "slack_sdk.", "stripe.", "twilio.")
"""Libraries in which only clients and credentials use the network; the rest is data."""

_CLIENT = re.compile(r"Client|Credential|Producer|Consumer|OpenAI|Anthropic|\b(create|send|list|retrieve)$")

_SAFE_ENDINGS = ("Error", "Exception", "Warning", "Timeout", "Expired", "Interrupt", "Unavailable")

_CLOCK_IF_SHORT = {
    "time.localtime": 1,
    "time.gmtime": 1,
    "time.ctime": 1,
    "time.asctime": 1,
    "time.strftime": 2,
}
"""Functions that read the clock if they get fewer arguments than these."""

_CLOCK_WORDS = {"pandas.Timestamp", "pandas.to_datetime", "numpy.datetime64", "dateutil.parser.parse"}


def rule_for_call(path: str, arguments: int, first: object = None, *, has_loop: bool = False) -> str | None:
    """Return the code of the rule that a call breaks, or None.

    Parameters
    ----------
    path
        The full name of the called function.
    arguments
        The number of arguments.
    first
        The first argument, if it is a constant.
    has_loop
        True in an ``async def`` orchestrator, which has an event loop.
    """
    if has_loop and path in _NEEDS_LOOP:
        return None
    if path in _CLOCK_IF_SHORT:
        return "DNB101" if arguments < _CLOCK_IF_SHORT[path] else None
    if path in _CLOCK_WORDS:
        return "DNB101" if first in ("now", "today") else None
    if path in _SEEDED and arguments:
        return None
    if path.startswith(tuple(f"{name}()." for name in GENERATORS)):
        return None
    return rule_for_name(path)


def rule_for_name(path: str) -> str | None:
    """Return the code of the rule against a function, class or method, or None."""
    if path in _SAFE or path.endswith(_SAFE_ENDINGS):
        return None
    if path.startswith(_SDKS) and not _CLIENT.search(path):
        return None
    if path in _ALL:
        return _ALL[path]
    parts = path.split(".")
    for end in range(len(parts) - 1, 0, -1):
        code = _ALL.get(".".join(parts[:end]) + ".")
        if code is not None:
            return code

    return None
