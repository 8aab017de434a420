#!/usr/bin/env perl
# varve store check on real S3 servers: they are what varve relies on, in races, too; and what is wrong on the way
# to them is one sentence.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use S3;
use Varved;

plan skip_all => 'it is about varve' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my $tool = ($ENV{builddir} // '.') . '/server/tool/varve';
my $dir = tempdir(CLEANUP => 1);
my $out;

sub write_keys {
    my ($secret) = @_;
    open(my $f, '>', "$dir/keys") or die "keys: $!";
    print $f "[default]\naws_access_key_id = testkey\naws_secret_access_key = $secret\n";
    close $f;
}
write_keys('testsecret123');

sub check {
    my ($s3, @words) = @_;
    my $rc = system(join ' ', $tool, 'store check', '-o tier.store.url=' . $s3->url, '-o tier.s3.endpoint=' . $s3->endpoint,
        '-o tier.store.ca.file=' . $s3->ca, "-o tier.s3.credentials=file:$dir/keys", @words, ">$dir/out 2>&1");
    $out = text_of("$dir/out");
    return $rc >> 8;
}

sub is_well {
    my ($s3, $what, @words) = @_;
    is(check($s3, @words), 0, "$what is a store") or diag $out;
    like($out, qr/^ok      race +of 16 writers of one name at once one wins, in each of \d+ rounds$/m, '... that lets one win');
    unlike($out, qr/^(?:note|FAILED)/m, '... in every way') or diag $out;
    like($out, qr/^ok      clean-up +nothing is left of /m, '... which is left as it was');
}

my $s3 = S3->start('versitygw', 'tls');
is_well($s3, 'versitygw, over TLS', '--rounds 60');
is(check($s3, '-o tier.store.ca.file='), 77, 'an authority that is not trusted');
like($out, qr/^FAILED  answers .*certificate/mi, '... is told');
is(check($s3, '-o tier.s3.region=eu-west-1'), 64, 'another region');
like($out, qr/^FAILED  answers .*in region us-east-1: set tier\.s3\.region to that, not eu-west-1/m, '... is told');
is(check($s3, '-o tier.store.url=s3://varve-none/x'), 64, 'a bucket that is not there');
like($out, qr/^FAILED  answers .*there is no bucket varve-none: create it/m, '... is told');
write_keys('wrong');
is(check($s3), 77, 'wrong keys');
like($out, qr/^FAILED  answers .*the secret key isn't that of the access key/m, '... are told');
write_keys('testsecret123');
$s3->end;
is(check($s3), 68, 'nobody there');
like($out, qr/^FAILED  answers .*connection refused/mi, '... is told');

is_well(S3->start('radosgw'), 'radosgw');
done_testing;
