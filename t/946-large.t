#!/usr/bin/env perl
# Requests that ask for far more than they are: each is answered, or its connection is closed; the
# server's memory stays bounded, and it serves others as before.
use strict;
use warnings;
use IO::Compress::Gzip qw(gzip);
use IO::Select;
use IO::Socket::INET;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;

my $broker = Varved->start;
plan skip_all => 'only varved is looked into' unless $broker->is_varved;

sub request {
    my ($key, $version, $body) = @_;
    my $r = pack('n n N n a*', $key, $version, 1, 2, 'me') . $body;
    return pack('N', length $r) . $r;
}

# How the server took it: the bytes of an answer, or 0 when it closed the connection.
sub ask {
    my ($request) = @_;
    my $s = IO::Socket::INET->new($broker->address) or die "connect: $!";
    my ($sent, $got) = (0, '');

    while ($sent < length $request) {
        my $n = syswrite $s, $request, length($request) - $sent, $sent;
        last unless $n;
        $sent += $n;
    }
    while (1) {
        my $n = sysread $s, $got, 1 << 20, length $got;
        return 0 unless $n;
        next if length $got < 4;
        return length $got if length $got >= 4 + unpack('N', $got);
    }
}

sub crc32c {
    my ($bytes) = @_;
    my @table = map { my $c = $_; $c = $c & 1 ? $c >> 1 ^ 0x82f63b78 : $c >> 1 for 1 .. 8; $c } 0 .. 255;
    my $crc = 0xffffffff;
    $crc = $crc >> 8 ^ $table[($crc ^ $_) & 255] for unpack 'C*', $bytes;
    return $crc ^ 0xffffffff;
}

# A batch of $n records without keys, packed.
sub keyless {
    my ($n) = @_;
    my $records = '';
    for my $i (0 .. $n - 1) {
        my $delta = '';
        for (my $v = 2 * $i; ; $v >>= 7) {
            $delta .= chr($v > 127 ? $v & 127 | 128 : $v);
            last if $v <= 127;
        }
        # attributes, time, offset; no key, an empty value, no headers
        my $r = "\0\0" . $delta . "\1\0\0";
        $records .= chr(2 * length $r) . $r;
    }
    gzip(\$records, \my $packed) or die 'gzip';
    my $summed = pack('n N q> q> q> n N N', 1, $n - 1, 0, 0, -1, 0xffff, 0xffffffff, $n) . $packed;
    my $rest = pack('N C N', 0, 2, crc32c($summed)) . $summed;
    return pack('q> N', 0, length $rest) . $rest;
}

local $SIG{PIPE} = 'IGNORE';
my $name = pack('n a*', 4, 'many');
my $create = pack('N', 1) . $name . pack('N n N N N C', 100, 1, 0, 0, 30000, 0);
ok(ask(request(19, 2, $create)) > 0, 'a topic of 100 partitions');

my $setting = pack('n a* n a*', 14, 'cleanup.policy', 7, 'compact');
my $compacted = pack('N n a* N n N N', 1, 9, 'compacted', 1, 1, 0, 1) . $setting;
ok(ask(request(19, 2, $compacted . pack('N C', 30000, 0))) > 0, 'a compacted topic');

my $n = 200_000;
my $batch = keyless($n);
my %large = (
    'settings of one topic, again and again' =>
        request(32, 1, pack('N', $n) . (pack('C', 2) . $name . pack('N', 0xffffffff)) x $n . "\0"),
    'metadata of it, again and again' => request(3, 1, pack('N', $n) . $name x $n),
    'metadata of a million topics that are not' =>
        request(3, 1, pack('N', 1_000_000) . pack('n a', 1, 'x') x 1_000_000),
    'records for a million partitions' => request(0, 3, pack('n n N N', 0xffff, 1, 1000, 1) . $name
        . pack('N', 1_000_000) . pack('N N', 0, 0) x 1_000_000),
    'a batch of 200,000 bad records' => request(0, 8, pack('n n N N n a* N N N', 0xffff, 1, 1000, 1,
        9, 'compacted', 1, 0, length $batch) . $batch),
    'offsets of one partition, a hundred thousand times' =>
        request(2, 1, pack('N N', 0xffffffff, 1) . $name . pack('N', 100_000)
        . pack('N q>', 0, -1) x 100_000),
    'a hundred thousand topics to be made' => request(19, 2, pack('N', 100_000)
        . ($name . pack('N n N N', 1, 1, 0, 0)) x 100_000 . pack('N C', 30000, 0)),
    'a count that the bytes do not hold' => request(3, 1, pack('N', 0x7fffffff)),
    'a Metadata of 40 MB' => request(3, 1, pack('N', 1) . 'x' x (40 << 20)),
);
for my $what (sort keys %large) {
    my $answer = ask($large{$what});
    pass("$what: " . ($answer ? "$answer bytes" : 'closed'));
    ok($answer > 10_000 && $answer < 200_000, '... some are named, not all') if $what =~ /bad records/;
    ok(ask(request(18, 0, '')) > 0, '... and others are served');
}

# Many that ask for much, and read nothing of it.
my $settings = request(32, 3, pack('N', 6000) . (pack('C', 2) . $name . pack('N', 0xffffffff)) x 6000 . "\1\1");
my @deaf = map { IO::Socket::INET->new($broker->address) or die "connect: $!" } 1 .. 40;
syswrite $_, $settings for @deaf;
ok(ask(request(18, 0, '')) > 0, '40 clients that read nothing of large answers: others are served');
ok(wait_until(sub { $broker->said('err') =~ /it takes none of its answers/ }), '... they are closed, and why is told');
ok(ask(request(18, 0, '')) > 0, '... it goes on');
# Many that wait for records, and name a partition a hundred thousand times.
my $poll = request(1, 4, pack('N N N N C N', 0xffffffff, 3_600_000, 1, 1 << 20, 0, 1) . $name . pack('N', 100_000)
    . pack('N q> N', 0, 0, 1000) x 100_000);
my @polls = map { IO::Socket::INET->new($broker->address) or die "connect: $!" } 1 .. 40;
syswrite $_, $poll for @polls;
ok(ask(request(18, 0, '')) > 0, '40 clients that wait with a request of 1.6 MB: others are served');
my $answered = IO::Select->new(@polls); # whichever: several threads take them
ok(wait_until(sub { 2 <= (my @now = $answered->can_read(0)) }), '... those that there is no room for do not wait');
close $_ for @polls;
ok(wait_until(sub { ask(request(18, 0, '')) > 0 }), '... it goes on');

my $peak = $broker->memory('VmHWM') / (1 << 20);
ok(is_sanitized() || $peak < 1500, sprintf 'all that took %d MB at most', $peak);
done_testing;
