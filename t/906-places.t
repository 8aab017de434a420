#!/usr/bin/env perl
# A topic that lies in all three places, its oldest part only in the cold tier, a part on this disk and the newest
# in memory, as each client reads it: from the beginning, from a time, with a group.  Every record comes once, in
# order and as it was sent, while segments move under the readers since a producer goes on.  And what ListOffsets says
# of it, by name and by time, against what the tier tells of each segment, and what that costs at the store.
#
# In `make check` those whose programs start slowly read less often, the Java client once; in `make check-long`
# all as the others.
use strict;
use warnings;
use File::Temp qw(tempdir);
use HTTP::Tiny;
use JSON::PP;
use List::Util qw(sum0);
use POSIX qw(WNOHANG strftime);
use Test::More;
use Time::HiRes qw(sleep);
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Records;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my ($kcat, %go) = (peer_program('kcat'), map { ($_ => peer("$_/bin/$_")) } qw(franz sarama));
my ($python, $java) = (peer('python/bin/python'), peer('kafka-broker/bin/tool'));
my $reader = ($ENV{srcdir} // '.') . '/t/clients/reader.py';
my $build = $ENV{builddir} // '.';
my ($tool, $wirecall) = ($ENV{VARVE_TOOL} // "$build/server/tool/varve", "$build/t/wirecall");
my ($dir, $cold) = (tempdir(CLEANUP => 1), tempdir(CLEANUP => 1));
my $admin = Varved::free_port();
my $json = JSON::PP->new;
my $local = 2_500_000;
my $patience = long_run() ? 600 : 180; # seconds

my $broker = Varved->start('remote.log.storage.system.enable=true', "tier.store.url=file://$cold",
    'checkpoint.interval.ms=200', 'wal.bytes=4194304', 'memory.bytes=16777216',
    "admin.listeners=127.0.0.1:$admin", 'group.initial.rebalance.delay.ms=0');
my $records = Records->new($broker);
my ($at, $topic) = ($broker->address, topic_name('places'));
$ENV{BOOTSTRAP} = $at;
$ENV{KAFKA_OPTS} = '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto';
$ENV{KAFKA_LOG_LEVEL} = 'error';

# ---- what is sent: as clients print it, a line per offset

my @sent;
my @letters = grep { $_ ne '\\' } map { chr } 33 .. 126; # a backslash would be an escape
my $noise = join '', map { $letters[rand @letters] } 1 .. 1 << 16;
my $began = int(time) * 1000 - 3_600_000;
sub time_of { return $began + 10 * $_[0] }

sub send_to {
    my ($to, $codec, $batch, @records) = @_;
    my (undef, $code) = run(join('', map { $json->encode($_) . "\n" } @records), $tool, 'produce', '-b', $at,
        '--format', 'json', '--partition', 0, '--codec', $codec, '-p', $batch, $to);
    return $code == 0;
}

sub produce {
    my ($n, $codec) = @_;
    my @records;
    for my $i (scalar @sent .. @sent + $n - 1) {
        my ($key, $value) = ("k$i", "$i " . substr $noise, rand(length($noise) - 1200), 700 + $i % 500);
        push @sent, join "\t", 0, $i, time_of($i), $key, $value;
        push @records, { key => $key, value => $value, timestamp => time_of($i) };
    }
    return send_to($topic, $codec, 'batch.size=65536', @records);
}

# ---- clients: what reads n records; how: start; time, from where on; group, as a member of where

my %command = (
    kcat => sub {
        my ($how, $n, $where) = @_;
        my @what = $how eq 'group' ? ('-G', $where, $topic)
            : ('-C', '-t', $topic, '-p', 0, '-o', $how eq 'time' ? "s\@$where" : 'beginning');
        return ($kcat, '-b', $at, '-q', '-c', $n, '-f', '%p\t%o\t%T\t%k\t%s\n', '-X', 'check.crcs=true',
            '-X', 'auto.offset.reset=earliest', @what);
    },
    map({ my $program = $go{$_}; ($_ => sub { return ($program, 'read', $topic, @_) }) } keys %go),
    map({ my $library = $_; ($library => sub { return ($python, '-B', $reader, $library, $topic, @_) }) }
        qw(confluent kafka-python)),
    java => sub {
        my ($how, $n, $where) = @_;
        my $group = $how eq 'group' ? $where : topic_name($how);
        if ($how eq 'time') {
            my $when = strftime('%Y-%m-%dT%H:%M:%S', gmtime($where / 1000)) . sprintf '.%03d', $where % 1000;
            run(undef, $java, 'consumer-groups', '--bootstrap-server', $at, '--group', $group, '--topic', $topic,
                '--reset-offsets', '--to-datetime', $when, '--execute');
        }
        return ($java, 'console-consumer', '--bootstrap-server', $at, '--topic', $topic, '--group', $group,
            '--max-messages', $n, '--timeout-ms', 60000, '--command-property', 'auto.offset.reset=earliest',
            map { ('--formatter-property', "print.$_=true") } qw(timestamp partition offset key));
    },
);

# What it does one after the other: what for, what it asks for, and the first record it wants.
sub wishes {
    my ($client, $n) = @_;
    my ($quarter, $half, $group) = (int($n / 4), int($n / 2), topic_name($client));
    return ['with a group', 0, 'group', $n, $group] if $client eq 'java' && !long_run();
    return (['from the beginning', 0, 'start', $n],
        ['from a time', $quarter, 'time', $n - $quarter, time_of($quarter) - 5],
        ['with a group', 0, 'group', $half, $group],
        long_run() || $client =~ /kcat|franz|sarama/ ? ['with its next member', $half, 'group', $n - $half, $group] : ());
}

my %pid;
sub begin {
    my ($client, @wishes) = @_;
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        %pid = ();
        setpgrp();
        open(STDERR, '>', "$dir/$client.err") or POSIX::_exit(1);
        for my $i (0 .. $#wishes) {
            my (undef, undef, @how) = @{ $wishes[$i] };
            my ($text) = run(undef, $command{$client}->(@how));
            last if !length $text;
            open(my $f, '>:raw', "$dir/$client.$i") or POSIX::_exit(1);
            print $f $text;
            close $f or POSIX::_exit(1);
        }
        POSIX::_exit(0);
    }
    $pid{$pid} = $client;
}
END { kill 'KILL', map { -$_ } keys %pid if %pid }

# The first line that isn't what was sent.
sub judge {
    my ($client, $i, $what, $first, undef, $count) = @_;
    my @got = split /\n/, text_of("$dir/$client.$i");
    s/^CreateTime:(\d+)\tPartition:(\d+)\tOffset:(\d+)\t/$2\t$3\t$1\t/ for @got;
    my ($wrong) = grep { ($got[$_] // '') ne $sent[$first + $_] } 0 .. $count - 1;
    ok(@got == $count && !defined $wrong, "$client, $what: all $count records, as they were sent")
        or diag(@got . ' lines; ' . (defined $wrong ? "line $wrong: " . substr($got[$wrong] // 'none', 0, 200) : ''),
            text_of("$dir/$client.err"));
}

# ---- where things are

# What is counted under that name, by its labels.
sub counted {
    my ($name) = @_;
    my $http = HTTP::Tiny->new(proxy => undef, http_proxy => undef);
    return $http->get("http://127.0.0.1:$admin/metrics")->{content} =~ /^$name\{(.*)\} (\d+)$/mg;
}

# Bytes that were fetched from there.
sub fetched {
    my %n = counted('varve_fetch_bytes_total');
    return map { /^source="(\w+)"$/ ? ($1 => $n{$_}) : () } keys %n;
}

sub segments { return map { decode_json($_) } lines_of(undef, $tool, 'tier', 'explain', '-b', $at, '--json', $topic) }

# So much is here, and no more to do.
sub settled {
    return wait_until(sub { sum0(map { $_->{bytes} } grep { $_->{where} ne 'cold' } segments()) < $local * 1.1 + 400_000 });
}

# ---- ListOffsets

my %named = ('earliest-local' => -4, 'latest-tiered' => -5, 'earliest-pending-upload' => -6);
my @names = sort keys %named;

# Offsets at times, of which those below zero are names.
sub offsets_at {
    my ($of, @times) = @_;
    return map { s/^NONE //r } lines_of(join('', map { "at $of $_\n" } @times), $wirecall, $broker->{port});
}

# The offsets of @names, by where each segment is.
sub explained {
    my @s = segments();
    my ($here) = grep { $_->{where} ne 'cold' } @s;
    my ($stored) = grep { $_->{where} ne 'here' } reverse @s;
    return ($here->{from}, $stored->{next}, $stored->{next} - 1);
}

# Segments that have left are on this disk up to the next checkpoint, so what is told of them may be late.
sub look_up {
    my (@told, @got);
    wait_until(sub {
        @told = explained();
        @got = offsets_at($topic, @named{@names});
        return "@got" eq "@told";
    });
    is_deeply(\@got, \@told, "@names: as the tier tells of each segment");
    ok(0 < $got[0] && $got[0] <= $got[2] && $got[1] < @sent, '... since records are in all three places') or diag("@got");
    for my $i (long_run() ? 0 .. $#names : 2) {
        my ($text) = run(undef, $java, 'get-offsets', '--bootstrap-server', $at, '--topic', $topic, '--time', $names[$i]);
        my ($offset) = $text =~ /^\Q$topic\E:0:(\d+)$/m;
        my ($now) = offsets_at($topic, $named{$names[$i]});
        ok(defined $offset && $got[$i] <= $offset && $offset <= $now, "... and Kafka's tool: $names[$i]")
            or diag("$text is not from $got[$i] to $now");
    }
    my $cold = int($got[0] / 2);
    is_deeply([ offsets_at($topic, -2, time_of($cold) - 5, time_of($#sent), time_of($#sent) + 1, -3) ],
        [ 0, $cold, $#sent, -1, $#sent ], 'times, of what is cold and of what is in memory');
}

# Topics of which all is in the store: of one, so many segments that the manifest has a page.
my ($late, $paged) = map { topic_name($_) } qw(late paged);
my ($newest, $pages) = (700, long_run());

sub make_cold {
    my ($name, $bytes, $batch, @records) = @_;
    return $records->topic($name, '--partitions 1 -c remote.storage.enable=true -c local.retention.ms=0',
        "-c segment.bytes=$bytes -c retention.ms=-1") && send_to($name, 'none', $batch, @records)
        && $records->varve('tier offload --wait 300', $name, '>/dev/null')
        && wait_until(sub { (offsets_at($name, -4))[0] == @records });
}

# GETs for a topic since the start of the server.
sub gets_of {
    my ($name) = @_;
    my %n = counted('varve_store_requests_total');
    return $n{qq(store="directory",operation="get",outcome="ok",topic="$name")} // 0;
}

sub count_gets {
    is_deeply([ offsets_at($late, time_of(300)) ], [300], 'a time of what is cold, for the first time');
    my $first = gets_of($late);
    cmp_ok($first, '<=', 2, '... is read of the root and one chunk');
    is_deeply([ offsets_at($late, time_of(300), time_of(301)) ], [ 300, 301 ], '... and then known');
    is(gets_of($late), $first, '... without reading again');
    is_deeply([ offsets_at($late, -3, time_of($newest + 200)) ], [ $newest, $newest ],
        'the newest record there, which is not the last');
    cmp_ok(gets_of($late) - $first, '<=', 1, '... is in one other chunk');
    return if !$pages;
    is_deeply([ offsets_at($paged, time_of(300)) ], [300], 'a time behind a page of the manifest');
    is(gets_of($paged), 3, '... is read of the root, the page and one chunk');
    is_deeply([ offsets_at($paged, time_of(301)) ], [301], '... one more');
    is(gets_of($paged), 4, '... of a chunk');
}

# ---- all of it

ok(make_cold($late, 262_144, 'batch.size=65536', map { { value => substr($noise, $_, 1000), timestamp =>
    time_of($_ == $newest ? 5000 : $_) } } 0 .. 1199), 'a topic that is all cold');
ok(make_cold($paged, 100, 'batch.num.messages=1', map { { value => 'x', timestamp => time_of($_) } } 0 .. 1999),
    'another, of many segments') if $pages;
ok($records->topic($topic, '--partitions 1 -c remote.storage.enable=true -c segment.bytes=262144',
    "-c local.retention.bytes=$local -c retention.ms=-1"), 'a topic');
for my $round (1 .. (long_run() ? 2 : 1)) {
    ok(produce(1000, 'none') && produce(1000, 'lz4'), 'records that leave this disk');
    ok(produce(2000, 'none'), 'records that stay');
    system("$tool tier offload -b $at $topic >/dev/null") == 0 or diag('no offload');
    $broker->restart; # then nothing of it is in memory
    ok(produce(300, 'zstd') && produce(300, 'none'), 'records in memory');
    ok(settled(), 'all are where they should be');
    look_up();
    count_gets();

    my $n = @sent;
    my %before = fetched();
    begin($_, wishes($_, $n)) for sort keys %command;
    my $stored = bytes_of($cold);
    my $until = time + $patience;
    my $more = 30; # what is in memory may be as much as that, and less than is to be here
    while (%pid) {
        produce(50, 'none') or diag('the producer that goes on has failed') if $more-- > 0;
        sleep 0.1;
        kill 'KILL', map { -$_ } keys %pid if time > $until; # who hangs has too few records
        while ((my $pid = waitpid(-1, WNOHANG)) > 0) {
            delete $pid{$pid};
        }
    }
    cmp_ok(bytes_of($cold), '>', $stored, 'segments have moved meanwhile');
    for my $client (sort keys %command) {
        my @wishes = wishes($client, $n);
        judge($client, $_, @{ $wishes[$_] }) for 0 .. $#wishes;
    }
    my %after = fetched();
    cmp_ok($after{$_} - ($before{$_} // 0), '>', 300_000, "a part of it was read from here: $_")
        for qw(cold file memory);
}
$broker->stop;
done_testing;
