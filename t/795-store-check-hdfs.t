#!/usr/bin/env perl
# varve store check on a real HDFS: it is what varve relies on; what is wrong with it is one sentence.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use HDFS;
use Varved;

plan skip_all => 'it is about varve' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my $tool = ($ENV{builddir} // '.') . '/server/tool/varve';
my $dir = tempdir(CLEANUP => 1);
my $out;

sub check {
    my ($url, @words) = @_;
    my $rc = system(join ' ', $tool, "store check -o tier.store.url=$url -o tier.hdfs.user=hdfs", @words,
        ">$dir/out 2>&1");
    $out = text_of("$dir/out");
    return $rc >> 8;
}

my $hdfs = HDFS->start('pair');
is(check($hdfs->url('cold/varve'), '--rounds 10'), 0, 'HDFS is a store') or diag $out;
like($out, qr/^ok      race +of 16 writers of one name at once one wins, in each of 10 rounds$/m, '... that lets one win');
unlike($out, qr/^(?:note|FAILED)/m, '... in every way') or diag $out;
like($out, qr/^ok      clean-up +nothing is left of /m, '... which is left as it was');

my ($active, $standby) = $hdfs->url('x') =~ m{//([^,]+),([^/]+)/} or die 'no pair';
is(check("hdfs://$standby/cold"), 68, 'a name node that stands by, alone');
like($out, qr/^FAILED  answers .*stand/mi, '... is told') or diag $out;
is(check("hdfs://$standby,$active/cold", '--load 0 --rounds 2'), 0, '... together with the other one is no trouble') or diag $out;
is(check($hdfs->url('cold'), '-o tier.hdfs.user=joe'), 77, 'a user who may not write there');
like($out, qr/^FAILED  \S+ .*Permission denied: user=joe.*set tier\.hdfs\.user/m, '... is told') or diag $out;
is(check('hdfs://127.0.0.1:1/x'), 68, 'nobody there');
like($out, qr/^FAILED  answers .*127\.0\.0\.1:1: connection refused/mi, '... is told');
ok($hdfs->tool('tools.DFSAdmin', '-safemode', 'enter'), 'a name node takes no writes');
isnt(check($hdfs->url('cold'), '--timeout 10'), 0, '... so it is no store');
like($out, qr/^FAILED  writes .*safe mode/mi, '... which is told') or diag $out;
done_testing;
