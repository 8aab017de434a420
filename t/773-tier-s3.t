#!/usr/bin/env perl
# The cold tier in S3, from the outside: records leave the server's disk for a bucket and are read from there
# after a crash, hot ones are served while S3 is away, and what is wrong with settings, keys or the bucket is
# one sentence when the server starts.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;
use Records;
use S3;

my $s3 = S3->start('versitygw', 'tls');
my $dir = tempdir(CLEANUP => 1);

sub write_keys {
    my ($secret) = @_;
    open(my $f, '>', "$dir/keys") or die "keys: $!";
    print $f "[default]\naws_access_key_id = testkey\naws_secret_access_key = $secret\n";
    close $f;
}

write_keys('testsecret123');
my @options = ('remote.log.storage.system.enable=true', 'tier.store.url=' . $s3->url,
    'tier.s3.endpoint=' . $s3->endpoint, 'tier.store.ca.file=' . $s3->ca, "tier.s3.credentials=file:$dir/keys",
    'checkpoint.interval.ms=200');
my $broker = Varved->start(@options);
plan skip_all => 'varved has a tier of its own' unless $broker->is_varved;
my $records = Records->new($broker);
unlike($broker->said('err'), qr/cold\.store/, 'a store that can be used is no event');

ok($records->topic('cold', '--partitions 1 -c remote.storage.enable=true -c local.retention.ms=0',
    '-c segment.bytes=1100000'), 'a topic that asks for the cold tier');
ok($records->produce('cold', 60_000), 'records');
ok(wait_until(sub { $records->local_bytes < 1_500_000 }), 'they leave this disk');
cmp_ok($s3->stored_bytes, '>', 4_500_000, '... for the bucket');
is($records->consume('cold'), 60_000, 'and are read from there');
$broker->crash;
$broker->restart;
is($records->consume('cold'), 60_000, '... after a crash');

$s3->end;
ok($records->topic('hot', '--partitions 1'), 'while S3 is away, topics are made');
ok($records->produce('hot', 1000), '... records are taken');
is($records->consume('hot'), 1000, '... and served');
ok($records->produce('cold', 15_000), '... also in the topic with a cold tier');
$s3->again('tls');
ok(wait_until(sub { $records->local_bytes < 1_700_000 }), 'when it is back, records leave as before');
is($records->consume('cold'), 75_000, '... and all are there');

write_keys('wrong');
$broker->restart;
like($broker->said('err'), qr/ warn cold\.store .*the secret key isn't that of the access key/,
    'wrong keys are told when the server starts');
is($records->consume('hot'), 1000, '... which serves what is hot');
write_keys('testsecret123');
is($records->consume('cold'), 75_000, '... and all, once the file has good ones');
$broker->stop;

# Started so it ends at once, or says why the store can't be used.
sub told {
    my ($what, $words, @changes) = @_;
    my %option = map { split /=/, $_, 2 } @options, @changes;
    my $other = Varved->new(options => [ map { "$_=$option{$_}" } keys %option ]);
    $other->launch;
    $other->is_ready;
    $other->end('TERM');
    my ($line) = grep { /cold\.store|tier\./ } split /\n/, $other->said('err');
    like($line // '', $words, $what);
}
told('a bucket that is not there', qr/there is no bucket varve-none: create it, or correct tier\.store\.url/,
    'tier.store.url=s3://varve-none/x');
told('an authority that is not trusted', qr/warn cold\.store .*certificate/i, 'tier.store.ca.file=');
told('nobody at the endpoint', qr/warn cold\.store .*connection refused/i,
    'tier.s3.endpoint=https://127.0.0.1:1');
told('another region', qr/in region us-east-1: set tier\.s3\.region to that, not eu-west-1/,
    'tier.s3.region=eu-west-1');
told('no URL of S3', qr/tier\.store\.url=s3:bucket: expected file:.* s3:/, 'tier.store.url=s3:bucket');
told('no endpoint', qr/tier\.s3\.endpoint=minio:9000 isn't https:/, 'tier.s3.endpoint=minio:9000');
told('no source of keys', qr/tier\.s3\.credentials=keys is none of chain, env/, 'tier.s3.credentials=keys');
done_testing;
