#!/usr/bin/env perl
# Chunks of cold objects packed with zstd, as topics ask: what is stored is less, what comes back is the same, and
# packed segments lie beside others.
use strict;
use warnings;
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Records;
use Tool;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

use constant RECORDS => 15_000; # a round: about 1.6 MB

my $cold = tempdir(CLEANUP => 1);
my $dir = tempdir(CLEANUP => 1);
my $level = 'varve.tier.compression.zstd.level';
my $broker = Varved->start('remote.log.storage.system.enable=true', "tier.store.url=file://$cold",
    'checkpoint.interval.ms=200', "tier.cache.path=$dir/shelf", 'tier.cache.disk.bytes=16777216');
my $at = '-b ' . $broker->address;
my %sent;

sub ok_varve { return varve(@_) == 0 || diag($out . $err) && 0 }
sub told {
    my ($kind, @words) = @_;
    ok_varve(@words, '--json');
    return grep { $_->{kind} eq $kind } map { decode_json($_) } split /\n/, $out;
}
sub partition { return (told('partition', "tier status $at", $_[0]))[0] }
sub setting { return ok_varve("config set $at topic", @_) }

# Records that zstd packs well, sent as they are or packed by who sends them; all of them reach the store, and leave this disk.
sub send_away {
    my ($topic, $codec) = @_;
    my $from = $sent{$topic} // 0;
    $sent{$topic} = $from + RECORDS;
    write_lines("$dir/in", 10, [ $from + 1 .. $sent{$topic} ], sub { "$_[0] " . 'again and ' x 9 });
    ok(ok_varve("produce $at --codec $codec $topic <$dir/in"), "$topic: records");
    ok(ok_varve("tier offload $at $topic"), '... are copied to the store');
    ok(wait_until(sub { partition($topic)->{both_bytes} == 0 }), '... and leave this disk');
    return;
}
# The numbers of what a reader gets: the first, how many, and whether they are in order.
sub got {
    my ($topic, @how) = @_;
    ok_varve("consume $at $topic @how");
    my @n = map { /^(\d+) / ? $1 : -1 } split /\n/, $out;
    return [ $n[0], scalar @n, scalar grep { $n[$_] != $n[0] + $_ } 0 .. $#n ];
}
sub segments { return told('segment', "tier explain $at", $_[0]) }
# What was sealed by time in the middle of a round may be of one batch.
sub largest { my ($largest) = sort { $b->{bytes} <=> $a->{bytes} } @_; return $largest }

ok(ok_varve("config set $at broker 1 $level=3"), 'the cold tier packs');
for my $topic ('plain', 'packed') {
    ok(ok_varve("topic create $at $topic -c remote.storage.enable=true -c local.retention.ms=0"), "a topic: $topic");
}
send_away('plain', 'none');
send_away('packed', 'lz4');

my $p = partition('plain');
cmp_ok($p->{stored_bytes}, '<', $p->{cold_bytes} / 2, 'what was sent as it is takes less than half in the store');
$p = partition('packed');
cmp_ok($p->{stored_bytes}, '>=', $p->{cold_bytes}, '... what its producer had packed is left alone');
my $s = largest(segments('plain'));
cmp_ok($s->{stored_bytes}, '<', $s->{bytes} / 2, 'tier explain tells it of a segment, too');

setting("plain $level=0");
send_away('plain', 'none');
setting("plain $level=9");
send_away('plain', 'none');
my @kinds = map { $_->{stored_bytes} < $_->{bytes} / 2 ? 'packed' : 'plain' }
    grep { $_->{where} eq 'cold' && $_->{bytes} > 100_000 } segments('plain');
@kinds = @kinds[ grep { $_ == 0 || $kinds[$_] ne $kinds[$_ - 1] } 0 .. $#kinds ];
is_deeply(\@kinds, [qw(packed plain packed)], 'switched off and on: segments of both kinds lie side by side');

for my $topic ('plain', 'packed') {
    my $n = $sent{$topic};
    is_deeply(got($topic), [ 1, $n, 0 ], "$topic: all comes back, in order");
    is_deeply(got($topic), [ 1, $n, 0 ], '... again');
    my $from = int($n / 2);
    is_deeply(got($topic, "--from $from"), [ $from + 1, $n - $from, 0 ], '... from an offset');
    ok_varve("consume $at $topic --from $from -n 1 --format '%T'");
    my ($ms) = $out =~ /(\d+)/;
    my $since = got($topic, "--from \@$ms");
    ok($since->[0] <= $from + 1 && $since->[0] + $since->[1] == $n + 1 && $since->[2] == 0, '... and from a time');
}
$broker->crash;
$broker->restart;
is_deeply(got('plain'), [ 1, $sent{plain}, 0 ], '... all of it after a crash');
ok(ok_varve("topic describe $at plain"), 'the server is well');
$broker->stop;

ok(ok_varve("scrub --full -o tier.store.url=file://$cold"), 'a scrub reads all of it');
like($out, qr/all is well$/m, '... and finds nothing');
my $object = largest(grep { $_->{stored_bytes} < $_->{bytes} / 2 } told('segment', "tier ls -o tier.store.url=file://$cold plain/0"));
ok(ok_varve("tier dump -o tier.store.url=file://$cold $object->{key}"), 'a packed object is dumped');
like($out, qr/zstd/, '... its chunks are of zstd');
done_testing();
