#!/usr/bin/env perl
# varved on bad days: what it can't start with is one clear line and an exit code, and changes
# nothing; what clients do to it, and a disk that is full, it survives.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp 'tempdir';
use IO::Socket::INET;
use IPC::Open2;
use Socket qw(SOL_SOCKET SO_RCVTIMEO);
use Test::More;
use Varved;

my $build = $ENV{builddir} // '.';
my $seed = $ENV{VARVE_SEED} // 1 + $$ % 1000;
$SIG{PIPE} = 'IGNORE';

use constant { LOCKED => 69, STOPPED => 70, ADDRESS => 72, VERSION => 76, READONLY => 77 };
use constant MIB => 1 << 20;
use constant { NOT_COORDINATOR => 16, UNKNOWN_MEMBER_ID => 25 };

# ---- a client (t/lib/wirecall.c)

sub client {
    my ($v) = @_;
    my $pid = open2(my $from, my $to, "$build/t/wirecall", $v->{port});
    return { pid => $pid, from => $from, to => $to };
}

sub ask { my ($c, $line) = @_; print { $c->{to} } "$line\n"; return answer($c) }
# Of a server that was started again: the connection to the one before is gone.
sub ask_anew { my ($c, $line) = @_; ask($c, 'ping'); return ask($c, $line) }
sub answer { my ($c) = @_; my $line = readline($c->{from}) // 'nothing'; chomp $line; return $line }
sub hang_up { my ($c) = @_; close $c->{to}; waitpid $c->{pid}, 0 }

# ---- starting

# Everything below a directory: names, modes, times of change, contents.
sub sums {
    my ($path) = @_;
    return 'not there' if !-d $path;
    return `cd '$path' && find . -printf '%p %m %T@ %s\\n' | sort; find . -type f -exec md5sum {} + | sort`;
}

# It ends with this code and one line that has the words.
sub is_told {
    my ($v, $code, $words, $what) = @_;
    $v->launch;
    is($v->ending, $code, "$what: exit code $code");
    like($v->said('err'), qr/\Avarved: [^\n]*$words[^\n]*\n\z/, '... and one line that says so');
}

# The same, and the directory is as it was.
sub refuses {
    my ($v, @why) = @_;
    my $before = sums($v->dir . '/data');
    is_told($v, @why);
    is(sums($v->dir . '/data'), $before, '... and nothing is changed');
}

sub bad_starts {
    my $v = Varved->start('wal.bytes=8388608'); # its directory is copied, and looked at byte by byte
    my $c = client($v);
    my $data = $v->dir . '/data';
    is(ask($c, 'create t 1'), 'NONE 0', 'a server runs');
    refuses(Varved->new(port => $v->{port}), ADDRESS, $v->address, 'port taken');

    my $second = Varved->new;
    symlink $data, $second->dir . '/data';
    is_told($second, LOCKED, "in use by process $v->{pid}", 'data directory in use');
    is(ask($c, 'produce t 10'), 'NONE 0', '... and the first one goes on');
    hang_up($c);
    is($v->end('TERM'), 0, 'SIGTERM: exit code 0');

    my $newer = Varved->new;
    system 'cp', '-a', $data, $newer->dir;
    open my $format, '>', $newer->dir . '/data/FORMAT' or die "FORMAT: $!";
    print $format "varve data directory, format 999\n";
    close $format;
    refuses($newer, VERSION, 'format 999', 'data of a newer version');
    read_only($data);
}

# Can somebody else run the program, where it lies?
sub others_can_run {
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        POSIX::setuid(65534);
        open STDOUT, '>', '/dev/null';
        exec Varved::program(), '--version' or POSIX::_exit(1);
    }
    waitpid $pid, 0;
    return $? == 0;
}

# Root may write anywhere: be somebody else.
sub read_only {
    my ($data) = @_;
    return note('skipped: a data directory that can not be written, which needs root here') if $>;
    return note('skipped: the same, which needs a program that others can run') if !others_can_run();
    my $v = Varved->new(uid => 65534);
    my $nowhere = Varved->new(uid => 65534);
    system 'cp', '-a', $data, $v->dir;
    system 'chmod', '-R', 'a+rX,a-w', $v->dir . '/data';
    chmod 0777, $v->dir;
    refuses($v, READONLY, 'data', 'data directory not writable');

    chmod 0755, $nowhere->dir;
    refuses($nowhere, READONLY, $nowhere->dir . '/data', 'no data directory, and none can be made');
}

# ---- stopping

sub drain {
    my $v = Varved->start;
    my $c = client($v);
    is(ask($c, 'create t 1'), 'NONE 0', 'SIGTERM among 60 requests of one connection');
    print { $c->{to} } "burst t 60\n";
    is(answer($c), 'begun', '... when the first is answered');
    is($v->end('TERM'), 0, '... ends it with exit code 0');
    my ($answered) = answer($c) =~ /^NONE (\d+)$/;
    $v->launch;
    $v->is_ready;
    is(ask_anew($c, 'end t'), "NONE $answered", '... what was begun was answered: all that is written');
    hang_up($c);
    $v->end('TERM');
}

# A connection whose request is in service: what was sent before it is answered. For what never is,
# nobody waits longer than a minute.
sub in_service {
    my ($v, $request) = @_;
    my $socket = connect_to($v);
    $socket->setsockopt(SOL_SOCKET, SO_RCVTIMEO, pack('l!l!', 60, 0));
    $socket->syswrite(frame(header(18, 0)) . frame($request));
    ok(length read_frame($socket) > 100, '... which is in service');
    return $socket;
}

sub read_frame {
    my ($socket) = @_;
    my $frame = '';
    ($socket->sysread(my $n, 4) // 0) == 4 or return '';
    1 while length $frame < unpack('N', $n) &&
        $socket->sysread($frame, unpack('N', $n) - length $frame, length $frame);
    return $frame;
}

# A consumer that would wait for an hour is told that there is nothing.
sub drain_of_long_polls {
    my $v = Varved->start;
    my $c = client($v);
    is(ask($c, 'create t 1'), 'NONE 0', 'SIGTERM, while a consumer waits for records');
    my $socket = in_service($v, header(1, 4) . pack('NNNNC N n a N N q> N',
        0xffffffff, 3_600_000, 1, MIB, 0, 1, 1, 't', 1, 0, 0, MIB));
    is($v->end('TERM'), 0, '... ends it with exit code 0');
    ok(length read_frame($socket), '... and the consumer is answered');
    unlike($v->said('err'), qr/net\.drain/, '... at once');
    hang_up($c);
}

# FindCoordinator, then Heartbeat of nobody: groups are served once that is what it is told.
sub groups_are_served {
    my ($v) = @_;
    return wait_until(sub {
        my $socket = connect_to($v);
        $socket->syswrite(frame(header(10, 0) . pack('n/a', 'g')) . frame(header(12, 0) . pack('n/a N n/a', 'g', 1, 'm')));
        read_frame($socket);
        return (unpack('x4 n', read_frame($socket) . "\0" x 6)) == UNKNOWN_MEMBER_ID;
    });
}

# So is one that would wait for others of its group, and who sends no more.
sub drain_of_groups {
    my $v = Varved->start('group.initial.rebalance.delay.ms=3600000');
    my $join = header(11, 2) . pack('n/a NN n/a n/a N n/a N/a', 'g', 6000, 3_600_000, '', 'consumer',
        1, 'range', 'x');
    ok(groups_are_served($v), 'SIGTERM, while members wait for others');
    my ($ends, $stays) = map { in_service($v, $join) } 1 .. 2;
    $ends->shutdown(1);
    is(error_of_join($ends), NOT_COORDINATOR, '... one that sends no more is answered');
    is($ends->sysread(my $more, 1), 0, '... and its connection ends');
    is($v->end('TERM'), 0, '... SIGTERM ends it with exit code 0');
    is(error_of_join($stays), NOT_COORDINATOR, '... and the other one is answered');
    unlike($v->said('err'), qr/net\.drain/, '... at once');
}

sub error_of_join { my ($socket) = @_; return unpack 'x8 n', read_frame($socket) . "\0" x 10 }

# Ask until the answer is an error; how often it was none; N is how often so far.
sub ask_until_it_fails {
    my ($c, $line) = @_;
    for my $good (0 .. 999) {
        my $said = ask($c, $line =~ s/N/$good/r);
        return ($good, $said) if $said !~ /^NONE/;
    }
    return (1000, 'no error');
}

# A sync fails when records are written, or topics made: it ends, and starts with what there was.
sub failed_sync {
    my ($name, $before, $line, $last) = @_;
    return note('skipped: a sync that fails, which needs --enable-failpoints') if !has_failpoints();
    my $v = Varved->new(options => ['wal.bytes=4194304']); # small: its own syncs are over soon
    $v->launch(VARVE_FAILPOINT => 'sync:60:eio');
    $v->is_ready;
    my $c = client($v);
    ask($c, $before);
    my ($good, $said) = ask_until_it_fails($c, $line);
    like($said, qr/^(KAFKA_STORAGE_ERROR|gone)/, "$name: a sync fails, and the client is told");
    is($v->ending, STOPPED, '... varved ends, with exit code ' . STOPPED);
    like($v->said('err'), qr/engine\.stopped/, '... and says why');
    $v->launch;
    ok($v->is_ready, '... it can be started again');
    $good--;
    my $there = ask_anew($c, $last =~ s/N/$good/r);
    like($there, qr/^NONE/, "... with what was acknowledged, to number $good");
    hang_up($c);
    $v->end('TERM');
}

# ---- clients

sub connect_to {
    my ($v) = @_;
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $v->{port}, Timeout => 10);
}

sub grew_by_less {
    my ($v, $before, $bound, $what) = @_;
    my $grown = $v->memory('VmRSS') - $before;
    ok(is_sanitized() || $grown < $bound, $what) or diag("$grown bytes more");
}

sub idle_connections {
    my $v = Varved->start('max.connections.per.ip=2000', 'max.connections.per.ip.rate=100000');
    my $c = client($v);
    is(ask($c, 'ping'), 'NONE 1', 'before 1,000 idle connections');
    my $before = $v->memory('VmRSS');
    my @idle = grep { defined } map { connect_to($v) } 1 .. 1000;
    is(scalar @idle, 1000, '... which are taken');
    is(ask($c, 'ping'), 'NONE 1', '... others are served');
    my $new = client($v);
    is(ask($new, 'ping'), 'NONE 1', '... and new ones, too');
    grew_by_less($v, $before, 64 * MIB, '... of little memory');
    hang_up($new);
    is($v->end('TERM'), 0, '... and a stop does not wait for them');
    hang_up($c);
}

# Connections take none of the file descriptors that are for data.
sub few_descriptors {
    my $v = Varved->new(files => 256,
        options => ['checkpoint.interval.ms=200', 'max.connections=1000', 'num.network.threads=2']);
    $v->launch;
    ok($v->is_ready, 'with ulimit -n 256 it starts');
    my ($room) = $v->said('err') =~ /warn net\.limit limit=256 .* max\.connections=1000 connections=(\d+) /;
    cmp_ok($room // 0, '>=', 85, '... and says how many connections there is room for, more than for files');
    my $c = client($v);
    is(ask($c, 'ping'), 'NONE 1', '... a client is there');
    my @many = grep { defined } map { connect_to($v) } 1 .. 300;
    wait_until(sub { $v->said('err') =~ /net\.refused .*too many connections/ });
    unlike($v->said('err'), qr/no file descriptor/, '... 300 connections more are too many, but take no others\' share');
    my @said = map { ask($c, "create t$_ 1"), ask($c, "produce t$_ 100") } 1 .. 150;
    is(scalar(grep { !/^NONE/ } @said), 0, '... 150 topics are made and written');
    @said = map { ask($c, "fetch t$_ 0") } 1 .. 150;
    is(scalar(grep { !/^NONE [1-9]/ } @said), 0, '... and read');
    @many = ();
    ok(wait_until(sub { my $new = client($v); my $said = ask($new, 'ping'); hang_up($new); $said eq 'NONE 1' }),
        '... when those have left others can come');
    hang_up($c);
    is($v->end('TERM'), 0, '... and it ends as it should');
}

sub frame { my ($bytes) = @_; return pack('N', length $bytes) . $bytes }
sub header { my ($key, $version) = @_; return pack 'nnNn a2', $key, $version, 7, 2, 'me' }

# What may come from those who mean something else, or no good.
sub garbage {
    srand $seed;
    note("VARVE_SEED=$seed");
    my $n = long_run() ? 2000 : 60;
    my @random = map { pack 'C*', map { int rand 256 } 1 .. 1 + rand 2000 } 1 .. $n;
    my @all = grep { long_run() || rand 3 < 1 } map { my $key = $_; map { [$key, $_] } 0 .. 13 } 0 .. 80;
    return (
        @random, (map { frame($_) } @random),
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "SSH-2.0-OpenSSH_9.2\r\n", "\r\n\r\n", "\0" x 1000, "\xff" x 1000,
        pack('N', 0), pack('N', 1) . 'x', pack('N', 0x7fffffff), pack('N', 0x80000000),
        pack('N', 100_000_000) . 'x' x 1000, pack('N', 104_857_600) . header(0, 9),
        frame(pack 'nnNn', 3, 1, 1, 0x7fff), frame(pack 'nnNn', 3, 1, 1, 0xfffe),
        (map { frame(header(@$_)) } @all),
        (map { frame(header(@$_) . "\xff" x 40) } @all),
        (map { frame(header(@$_) . "\x7f" x 40) } @all),
        (map { frame(header(@$_) . pack('N', 0x7ffffff0) x 10) } @all),
        (map { substr frame(header(@$_) . "\0" x 60), 0, 30 } @all),
    );
}

# All bytes, then a look at what comes, without waiting for it, then it is closed; some stay a while.
sub garbage_on_the_port {
    my $v = Varved->start('max.connections.per.ip=2000', 'max.connections.per.ip.rate=100000');
    my $c = client($v);
    is(ask($c, 'create t 1'), 'NONE 0', 'a connection is there');
    ask($c, 'produce t 1000');
    my ($before, $sent, $harmed, @held) = ($v->memory('VmRSS'), 0, 0);
    my @garbage = garbage();
    for my $bytes (@garbage) {
        my $socket = connect_to($v) or last;
        $socket->syswrite($bytes);
        $socket->blocking(0);
        $socket->sysread(my $answer, 65536);
        push @held, $socket;
        shift @held if @held > 500;
        $harmed++ if ++$sent % 50 == 0 && ask($c, 'fetch t 0') !~ /^NONE [1-9]/;
    }
    is($sent, scalar @garbage, 'garbage of many kinds is taken');
    is($harmed, 0, '... and it is served, meanwhile');
    is(ask($c, 'produce t 1000'), 'NONE 1', '... and afterwards');
    ok(!$v->has_ended, '... varved runs');
    grew_by_less($v, $before, 128 * MIB, '... with little more memory');
    cmp_ok(length $v->said('err'), '<', MIB, '... and few lines about it, in bytes');
    @held = ();
    large_claims($v, $c);
    hang_up($c);
    is($v->end('TERM'), 0, '... and it ends as it should');
}

# Each says that 100 MB will come.
sub large_claims {
    my ($v, $c) = @_;
    my $before = $v->memory('VmRSS');
    my @held = map { connect_to($v) } 1 .. 200;
    $_->syswrite(pack('N', 100_000_000) . header(0, 9) . 'x' x 4000) for @held;
    is(ask($c, 'produce t 1000'), 'NONE 2', '200 connections that promise 100 MB each: others are served');
    grew_by_less($v, $before, 128 * MIB, '... and no memory is taken for promises');
}

# Ask, without a thread of the server that answers working all the time until it does.
sub is_calm {
    my ($v, $c, $line, $want, $what) = @_;
    my $before = $v->worked;
    is(ask($c, $line), $want, $what);
    cmp_ok($v->worked - $before, '<', 0.5, '... and nobody is busy until then');
}

# Consumers that want more than they allow, or than there is.
sub greedy_polls {
    my $v = Varved->start;
    my $c = client($v);
    ask($c, 'create t 1');
    ask($c, 'produce t 400000') for 1 .. 6;
    is_calm($v, $c, 'poll t 0', 'NONE 800144', 'more is there than fits: what fits is the answer');
    is_calm($v, $c, 'poll t 5', 'NONE 400072', 'less is there than is wanted: that, after a while');
    $v->restart;
    ask($c, 'ping');
    is_calm($v, $c, 'poll t 5', 'NONE 400072', 'the same of a file');
    hang_up($c);
    $v->end('TERM');
}

# ---- a full disk: a small one of our own, in a namespace of our own

sub full_disk {
    my ($mount) = @_;
    system('mount', '-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', $mount) == 0
        or plan skip_all => 'no small disk';
    system 'dd', 'if=/dev/zero', "of=$mount/ballast", 'bs=1M', 'count=12', 'status=none';
    mkdir "$mount/node";
    my $v = Varved->new(dir => "$mount/node", options => ['wal.bytes=8388608',
        'memory.bytes=16777216', 'disk.reserve.bytes=4194304', 'checkpoint.interval.ms=200',
        'log.segment.bytes=1048576', 'offsets.topic.num.partitions=1']);
    $v->restart;
    my $c = client($v);
    ask($c, 'create t 1');
    my ($last, $written) = ('', 0);
    for (1 .. 2000) {
        last if ($last = ask($c, 'produce t 50000')) !~ /^NONE/;
        $written++;
    }
    like($last, qr/^KAFKA_STORAGE_ERROR/, 'the disk is full: KAFKA_STORAGE_ERROR to producers');
    ok(wait_until(sub { $v->said('err') =~ /error disk\.full data=\S+ free=\d+ needed=\d+ reason=/ }),
        '... a line in the log says so');
    is(ask($c, 'end t'), "NONE $written", '... what was acknowledged is there');
    like(ask($c, 'fetch t 0'), qr/^NONE [1-9]/, '... consumers go on');
    like(ask($c, 'fetch t ' . ($written - 1)), qr/^NONE [1-9]/, '... to the end');
    unlink "$mount/ballast";
    wait_until(sub { ($last = ask($c, 'produce t 50000')) =~ /^NONE/ });
    is($last, "NONE $written", '... with space again it goes on by itself');
    ok(wait_until(sub { $v->said('err') =~ /info disk\.room/ }), '... and says that, too');
    $v->crash;
    $v->launch;
    ok($v->is_ready, '... and after a kill it starts');
    my ($end) = ask_anew($c, 'end t') =~ /^NONE (\d+)/;
    cmp_ok($end // 0, '>', $written, '... with all of it, and more');
    hang_up($c);
    is($v->end('TERM'), 0, '... and ends as it should');
}

# The child is this script again.
sub with_small_disk {
    my @unshare = ('unshare', '-rm');
    return note('skipped: a full disk, which needs a mount namespace') if system("@unshare true 2>&-");
    take_tests(@unshare, $^X, $0, tempdir(CLEANUP => 1));
}

if (@ARGV) {
    full_disk(@ARGV);
} else {
    bad_starts();
    drain();
    drain_of_long_polls();
    drain_of_groups();
    failed_sync('records', 'create t 1', 'produce t 100', 'fetch t N');
    failed_sync('topics', 'ping', 'create tN 1', 'end tN');
    idle_connections();
    few_descriptors();
    garbage_on_the_port();
    greedy_polls();
    with_small_disk();
}
done_testing();
