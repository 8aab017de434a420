#!/usr/bin/env perl
# HDFS on bad days: a pair of name nodes and two data nodes, of which some die or refuse; what is wrong is one
# sentence, and what was written is there.
use strict;
use warnings;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;
use HDFS;

my $hdfs = HDFS->start('pair', 'nodes=2', 'dfs.replication=2', 'dfs.checksum.combine.mode=COMPOSITE_CRC');
my ($first, $second) = map { $hdfs->port($_) } 'nn1', 'nn2';

# In the background: what it says comes from the function that is returned.
sub later {
    my (@args) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    if ($pid == 0) {
        print $hdfs->says(@args);
        close STDOUT;
        POSIX::_exit(0);
    }
    return sub { local $/; my $said = <$out>; close $out; return $said };
}

is($hdfs->says('put', 'k/a', 100_000), 'done', 'an object');
is($hdfs->says('parts', 'k/large', 40_000_000), 'done', 'a large one');
is($hdfs->says('verify', 'k/large', 40_000_000), 'done', '... whose checksum the data nodes combine');
like($hdfs->says('verify', 'k/a', 100_001), qr/100000 bytes, not 100001 \(data failed/, '... another size is told');

note('what is wrong is told');
my $url = $hdfs->url;
for my $case (
    [ "hdfs://127.0.0.1:$second/varve", qr/no name node of 1 is active: make one, or name all of them in tier\.store\.url: .*StandbyException/, 'one that stands by' ],
    [ 'hdfs://127.0.0.1:1/varve', qr/127\.0\.0\.1:1: connection refused/, 'nobody there' ],
    [ 'hdfs://nowhere.invalid:9870/varve', qr/nowhere\.invalid:9870: no such host/, 'no such host' ],
    [ 'hdfs://127.0.0.1:' . $hdfs->port('nn1-rpc') . '/varve', qr/dfs\.namenode\.http-address of a name node\?/,
        'the port for RPC' ],
    [ 'hdfs://127.0.0.1:' . $hdfs->port('dn1') . '/varve', qr/is that a name node, with WebHDFS/, 'a data node' ]) {
    local $hdfs->{names} = $case->[0] =~ s{hdfs://(.*)/varve}{$1}r;
    like($hdfs->says('get', 'k/a', 10), $case->[1], $case->[2]);
}
like($hdfs->says('-u', 'joe', 'put', 'k/x', 10), qr/Permission denied: user=joe.*set tier\.hdfs\.user/,
    'a user that may not write');
like($hdfs->says('-t', '/nonexistent/token', 'get', 'k/a', 10), qr/tier\.hdfs\.token\.file: open .*token/,
    'no token');

note('safe mode');
ok($hdfs->tool('tools.DFSAdmin', '-safemode', 'enter'), 'name nodes are told to take no writes');
is($hdfs->says('get', 'k/a', 100_000), 'done', '... they still say where to read');
like($hdfs->says('put', 'k/b', 10), qr/safe mode.*SafeModeException.*slow down/, '... a write is told to wait');
my $waits = later('-r', 'put', 'k/b', 10);
ok($hdfs->tool('tools.DFSAdmin', '-safemode', 'leave'), '... and does, until');
is($waits->(), 'done', '... it can be done');

note('a data node dies');
$hdfs->end('dn1');
is($hdfs->says('-r', 'put', "k/d$_", 10_000), 'done', 'objects are written to the other one') for 1 .. 5;
is($hdfs->says('-r', 'get', 'k/a', 100_000), 'done', '... and read from there');

note('the active name node dies');
$hdfs->end('nn1');
like($hdfs->says('-s', 10, 'put', 'k/n1', 10), qr/no name node of 2 is active|not a byte/,
    'the other one stands by, and so a data node waits');
$waits = later('-r', 'put', 'k/n2', 10);
ok($hdfs->tool('tools.DFSHAAdmin', '-transitionToActive', '--forceactive', 'nn2'), '... until it is told to act');
is($waits->(), 'done', '... and what waited is done');
is($hdfs->says('-r', 'get', 'k/a', 100_000), 'done', '... all is there');
is($hdfs->says('-r', 'delete', 'k/a'), 'done', '... until it is deleted');
is(join(' ', map { s/ .*//r } split /\n/, $hdfs->says('-r', 'list', 'k/')),
    'k/b k/d1 k/d2 k/d3 k/d4 k/d5 k/large k/n2 done', '... and listed');
done_testing;
