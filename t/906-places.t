#!/usr/bin/env perl
# A topic that lies in all three places, its oldest part only in the cold tier, a part on this disk and the newest
# in memory, as each client reads it: from the beginning, from a time, with a group.  Every record comes once, in
# order and as it was sent, while segments move under the readers since a producer goes on.
#
# In `make check` those whose programs start slowly read less often, the Java client once; in `make check-long`
# all as the others.
use strict;
use warnings;
use File::Temp qw(tempdir);
use HTTP::Tiny;
use JSON::PP;
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
my $tool = ($ENV{builddir} // '.') . '/server/tool/varve';
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

sub produce {
    my ($n, $codec) = @_;
    my $input = '';
    for my $i (scalar @sent .. @sent + $n - 1) {
        my ($key, $value) = ("k$i", "$i " . substr $noise, rand(length($noise) - 1200), 700 + $i % 500);
        push @sent, join "\t", 0, $i, time_of($i), $key, $value;
        $input .= $json->encode({ key => $key, value => $value, timestamp => time_of($i) }) . "\n";
    }
    my (undef, $code) = run($input, $tool, 'produce', '-b', $at, '--format', 'json', '--partition', 0,
        '--codec', $codec, '-p', 'batch.size=65536', $topic);
    return $code == 0;
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

# Bytes that were fetched from there.
sub fetched {
    my %from;
    my $http = HTTP::Tiny->new(proxy => undef, http_proxy => undef);
    for (split /\n/, $http->get("http://127.0.0.1:$admin/metrics")->{content}) {
        $from{$1} = $2 if /^varve_fetch_bytes_total\{source="(\w+)"\} (\d+)/;
    }
    return %from;
}

# So much is here, and no more to do.
sub settled { return wait_until(sub { $records->local_bytes < $local * 1.1 + 400_000 }) }

ok($records->topic($topic, '--partitions 1 -c remote.storage.enable=true -c segment.bytes=262144',
    "-c local.retention.bytes=$local -c retention.ms=-1"), 'a topic');
for my $round (1 .. (long_run() ? 2 : 1)) {
    ok(produce(1000, 'none') && produce(1000, 'lz4'), 'records that leave this disk');
    ok(produce(2000, 'none'), 'records that stay');
    system("$tool tier offload -b $at $topic >/dev/null") == 0 or diag('no offload');
    $broker->restart; # then nothing of it is in memory
    ok(produce(300, 'zstd') && produce(300, 'none'), 'records in memory');
    ok(settled(), 'all are where they should be');

    my $n = @sent;
    my %before = fetched();
    begin($_, wishes($_, $n)) for sort keys %command;
    my $stored = bytes_of($cold);
    my $until = time + $patience;
    while (%pid) {
        produce(50, 'none') or diag('the producer that goes on has failed');
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
