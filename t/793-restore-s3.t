#!/usr/bin/env perl
# varve restore, over a real S3 server.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Anew;
use S3;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my $s3 = S3->start('versitygw', 'tls');
my $dir = tempdir(CLEANUP => 1);
open(my $f, '>', "$dir/keys") or die "keys: $!";
print $f "[default]\naws_access_key_id = testkey\naws_secret_access_key = testsecret123\n";
close $f;
Anew::tests(name => 'S3', options => ['tier.store.url=' . $s3->url, 'tier.s3.endpoint=' . $s3->endpoint,
        'tier.store.ca.file=' . $s3->ca, "tier.s3.credentials=file:$dir/keys"],
    elsewhere => 'tier.store.url=' . $s3->url . '/elsewhere');
done_testing;
