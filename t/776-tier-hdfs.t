#!/usr/bin/env perl
# The cold tier in an HDFS that is asked over TLS alone, from the outside: records leave the server's disk for it and are
# read from there after a crash; hot ones are served while HDFS is away or in safe mode, and move when it is back; what is
# wrong with settings is one sentence. And the conformance suite of stores over TLS (t/774-hdfs.t has it without).
use strict;
use warnings;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;
use ColdTier;
use HDFS;

my $hdfs = HDFS->start('tls');
{
    delete local $ENV{VARVE_LONG}; # the long form of it is for 774
    $hdfs->tests('suite', 'suite/');
}
my $tier = ColdTier->start(sub { $hdfs->stored_bytes }, 'tier.store.url=' . $hdfs->url('cold/varve'),
    'tier.store.ca.file=' . $hdfs->ca, 'tier.hdfs.user=hdfs') or plan skip_all => 'varved has a tier of its own';
$tier->moves;
$tier->outlasts(sub { $hdfs->end($_) for qw(nn1 dn1) }, sub { $hdfs->again });

# A name node that takes no writes for a while, as one does that was started.
my ($broker, $records) = ($tier->broker, $tier->records);
sub status {
    my ($of) = @_;
    return scalar run(undef, ($ENV{builddir} // '.') . '/server/tool/varve', qw(tier status -b),
        ($of // $broker)->address);
}
ok($hdfs->tool('tools.DFSAdmin', '-safemode', 'enter'), 'a name node is told to take no writes');
my $before = $hdfs->stored_bytes;
ok($records->produce('cold', 15_000), '... records are taken all the same');
my $told;
ok(wait_until(sub { ($told = status()) =~ /^last failure .* ago: .*safe mode.*-safemode get/m }),
    '... who looks at the status learns why none is copied') or diag($told);
is($records->consume('cold'), 90_000, '... and all are served, those that are cold, too');
my ($url) = grep { s/^(tier\.store\.url=.*)/$1-other/ } my @options = @{ $tier->{options} }; # this one is in use
$tier->told('... which a start tells', qr/warn cold\.store .*safe mode/, $url);
ok($hdfs->tool('tools.DFSAdmin', '-safemode', 'leave'), 'when it takes them again');
# 1.7 MB are new, of which the open segment has 1.1 at most: segments end where the next batch, of up to 1 MB, has no room.
ok(wait_until(sub { $hdfs->stored_bytes - $before > 500_000 }), '... what waited is copied');
ok(wait_until(sub { $records->local_bytes < 1_700_000 }), '... and leaves this disk');
is($records->consume('cold'), 90_000, '... and every record is as it was sent');
ok(wait_until(sub { ($told = status()) !~ /fails/ }), '... and nothing fails any more') or diag($told);
$broker->stop;
$tier->is_well('without its server HDFS');
$tier->shows_damage(sub { $hdfs->flip("/cold/varve/$_[0]") });

my $distrusts = Varved->start('remote.log.storage.system.enable=true', $url, 'tier.hdfs.user=hdfs');
my $words = qr/certificate.*; tier\.store\.ca\.file must have the authority that signed the store's certificate/;
ok(wait_until(sub { $distrusts->said('err') =~ / warn cold\.store .*$words/ }),
    'an authority that is not trusted: a start tells what to set') or diag($distrusts->said('err'));
ok(wait_until(sub { ($told = status($distrusts)) =~ /^\w+ fails since .*$words/m }), '... and so does the status')
    or diag($told);
$distrusts->stop;
$tier->told('http to who speaks https', qr/warn cold\.store .*what answers isn't HTTP\/1\.1; check the port; is it one for TLS\?/,
     $url =~ s/swebhdfs/hdfs/r);
$tier->told('nobody there', qr/warn cold\.store .*127\.0\.0\.1:1: connection refused/i,
    'tier.store.url=hdfs://127.0.0.1:1/x');
$tier->told('a user that may not write there',
    qr/warn cold\.store .*Permission denied: user=joe.*set tier\.hdfs\.user/, $url, 'tier.hdfs.user=joe');
$tier->told('no token', qr/warn cold\.store .*tier\.hdfs\.token\.file: open/,
    'tier.hdfs.token.file=/nonexistent/token');
$tier->told('no port', qr/tier\.store\.url=hdfs:\/\/nn1\/x: "nn1" is no HOST:PORT; expected hdfs:/,
    'tier.store.url=hdfs://nn1/x');
done_testing;
